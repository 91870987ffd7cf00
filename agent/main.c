typedef int placeholder_3332;

typedef int placeholder_30238;

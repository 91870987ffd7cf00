typedef int placeholder_30346;

typedef int placeholder_7071;

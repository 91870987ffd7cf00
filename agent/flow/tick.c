typedef int placeholder_31225;

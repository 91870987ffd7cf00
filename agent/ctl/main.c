typedef int placeholder_10743;

typedef int placeholder_10224;

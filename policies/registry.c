typedef int placeholder_10989;

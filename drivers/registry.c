typedef int placeholder_17079;

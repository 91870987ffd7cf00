typedef int placeholder_9559;

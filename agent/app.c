typedef int placeholder_2386;

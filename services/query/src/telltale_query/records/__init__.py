"""Records: stored readings, filtered, sorted and paged; created, edited and deleted one by one."""

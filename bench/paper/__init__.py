"""What papers print: the MEMF paper's tables and claims as data, and an audit of any such tables."""

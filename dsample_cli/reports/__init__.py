"""Results in; terminal tables, pictures and HTML pages out."""

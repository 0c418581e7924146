"""What every page shares: numbers in words, small drawings, the content security policy."""

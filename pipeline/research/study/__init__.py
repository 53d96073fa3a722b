"""Which of two photos do people prefer? A page that asks, and the count of what they answered."""

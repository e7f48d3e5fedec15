"""Who people are: users, their credentials and their sessions, in a relational database."""

"""gRPC as every service uses it: the server, its interceptors, policies and errors."""

"""The gRPC machinery of all services: server, interceptors, policies and errors."""

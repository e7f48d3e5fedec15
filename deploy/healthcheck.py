"""The health check of an image. Exits with 0 if the process in this container serves, else with 1 and one line.

The gateway is asked for `/readyz`, and a service for the standard gRPC health check, on the port of its setting.
"""

import http.client
import os
import sys

TIMEOUT_SECONDS = 3.0
HOST = "127.0.0.1"
PORTS = {"identity": 50051, "notifications": 50052, "cache": 50053}


def failure(environ: dict[str, str]) -> str | None:
    """Return why the process does not serve, or None if it does."""
    process = environ.get("TRIVET_PROCESS", "")
    if process == "gateway":
        return gateway_failure(int(environ.get("TRIVET_HTTP_PORT") or 8080))
    if process in PORTS:
        return service_failure(int(environ.get(f"TRIVET_{process.upper()}_PORT") or PORTS[process]))
    return f"TRIVET_PROCESS must be gateway or one of {', '.join(PORTS)}"


def gateway_failure(port: int) -> str | None:
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return None if answer.status == 200 else f"/readyz answers {answer.status}: {answer.read(200).decode()}"
    except (OSError, http.client.HTTPException) as error:
        return f"/readyz on port {port} does not answer: {error}"
    finally:
        connection.close()


def service_failure(port: int) -> str | None:
    # Imported here: the gateway's check needs none of it and starts faster.
    import grpc
    from grpc_health.v1 import health_pb2

    with grpc.insecure_channel(f"{HOST}:{port}") as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            status = check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_SECONDS).status
        except grpc.RpcError as error:
            return f"the health check on port {port} fails: {error.code().name}: {error.details()}"
    name = health_pb2.HealthCheckResponse.ServingStatus.Name(status)
    return None if name == "SERVING" else f"the process on port {port} is {name}: its store does not answer"


if __name__ == "__main__":
    if found := failure(dict(os.environ)):
        sys.exit(f"healthcheck: {found}")

"""An agent in Python, over the WebSocket of a hub. It needs no package. See docs/protocol.md.

    busbar hub --listen ws://127.0.0.1:7400/bus &
    python3 examples/shell/websocket.py ws://127.0.0.1:7400/bus [TOKEN]
"""

import base64, json, os, socket, struct, sys
from urllib.parse import urlparse


class Bus:
    """One connection, in the JSON form of the protocol."""

    def __init__(self, url, agent, token=None):
        place = urlparse(url)
        self.socket = socket.create_connection((place.hostname, place.port), timeout=30)
        self.buffer = b""
        self.ids = 0
        lines = [
            f"GET {place.path or '/'} HTTP/1.1",
            f"Host: {place.hostname}:{place.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
        ]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        status = self.read_until(b"\r\n\r\n").split(b"\r\n")[0]
        if b" 101 " not in status:
            raise ConnectionError(status.decode())
        self.send({"type": "hello", "header": {"version": 1, "agent": agent}})
        self.receive("welcome")

    def request(self, op, bodies=(), **arguments):
        """Sends one operation and returns the header and the bodies of its response."""
        self.ids += 1
        self.send({"type": "request", "id": self.ids, "header": {"op": op, **arguments}, "bodies": list(bodies)})
        frame = self.receive("response")
        return frame.get("header", {}), frame.get("bodies", [])

    def receive(self, wanted):
        """The next frame of a type. Heartbeats are answered, and an error is raised."""
        while True:
            frame = json.loads(self.read_message())
            if frame["type"] == wanted:
                return frame
            if frame["type"] == "ping":
                self.send({"type": "pong"})
            elif frame["type"] in ("error", "goaway"):
                raise RuntimeError(frame["header"])

    def send(self, frame):
        self.write(0x1, json.dumps(frame).encode())

    def write(self, opcode, data):
        """One WebSocket frame. A client masks what it sends."""
        mask = os.urandom(4)
        size = len(data)
        length = bytes([0x80 | size]) if size < 126 else struct.pack(">BH", 0x80 | 126, size) if size < 65536 else struct.pack(">BQ", 0x80 | 127, size)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
        self.socket.sendall(bytes([0x80 | opcode]) + length + mask + masked)

    def read_message(self):
        """The next text message. WebSocket pings are answered."""
        text = b""
        while True:
            first, size = self.read(2)
            size &= 0x7F
            if size > 125:
                size = int.from_bytes(self.read(2 if size == 126 else 8), "big")
            data, opcode = self.read(size), first & 0x0F
            if opcode == 0x8:
                raise ConnectionError("the hub closed the connection")
            if opcode == 0x9:
                self.write(0xA, data)
            elif opcode in (0x0, 0x1):
                text += data
                if first & 0x80:
                    return text

    def read_until(self, end):
        while end not in self.buffer:
            self.fill()
        found, self.buffer = self.buffer.split(end, 1)
        return found

    def read(self, size):
        while len(self.buffer) < size:
            self.fill()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def fill(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the hub closed the connection")
        self.buffer += data


def main():
    bus = Bus(sys.argv[1], "@python", *sys.argv[2:3])
    bus.request("queues.configure", queue="$inbox.@python")
    message = {"type": "hello", "from": "@python", "to": "@python", "contentType": "application/json"}
    bus.request("queues.send", [json.dumps({"from": "Python"})], queue="$inbox.@python", messages=[message])
    header, bodies = bus.request("queues.receive", queue="$inbox.@python", waitMs=20_000)
    for delivery, body in zip(header["deliveries"], bodies):
        print(delivery["type"], delivery["from"], body)
        bus.request("queues.settle", settlements=[{"receipt": delivery["receipt"], "action": "ack"}])


main()

#!/usr/bin/python3
"""An HTTP server nobody should trust, for the tests of io/http: the path says what it does to whoever asks. Standard library only.

usage: hostile_http.py FOLDER

Makes certificates in FOLDER (with the openssl program), listens on free ports of 127.0.0.1 and prints one line
"PLAIN GOOD EXPIRED OTHER_HOST STRANGER OLD_TLS" of ports; ends when its standard input does.
"""
import gzip
import http.server
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
LATER = "Sunday, 06-Nov-94 08:51:07 GMT"  # 90 s after DATE, in the old form
COUNT = {"connections": 0}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    date = True

    def setup(self):
        COUNT["connections"] += 1
        super().setup()

    def log_message(self, *args):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def say(self, status, body=b"{}", headers=(), date=DATE):
        self.send_response_only(status)
        if date:
            self.send_header("Date", date)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def raw(self, data):
        self.close_connection = True
        self.wfile.write(data)
        self.wfile.flush()

    def forever(self, piece, pause=0.0):
        while True:
            self.raw(piece)
            time.sleep(pause)

    def any_method(self):
        body = self.body()
        path, _, argument = self.path[1:].partition("/")
        try:
            getattr(self, "on_" + path)(argument, body)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = any_method

    def on_status(self, argument, body):
        self.say(int(argument), b'{"status":%d}' % int(argument))

    def on_echo(self, argument, body):
        answer = {"method": self.command, "body": body.decode(), "headers": {k.lower(): v for k, v in self.headers.items()}}
        self.say(200, json.dumps(answer).encode())

    def on_connections(self, argument, body):
        self.say(200, b"%d" % COUNT["connections"])

    def on_seconds(self, argument, body):
        self.say(429, headers=[("retry-after", argument)])

    def on_date(self, argument, body):
        self.say(503, headers=[("Retry-After", LATER)])

    def on_dateless(self, argument, body):
        self.say(503, headers=[("Retry-After", LATER)], date=None)

    def on_redirect(self, argument, body):
        self.say(302, headers=[("Location", "/status/200")])

    def on_hints(self, argument, body):
        self.raw(b"HTTP/1.1 103 Early Hints\r\nRetry-After: 5\r\nDate: Mon, 07 Nov 1994 08:49:37 GMT\r\n\r\n")
        self.say(200)

    def on_drip(self, argument, body):
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
        self.forever(b"[", 0.05)

    def on_cut(self, argument, body):
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[1,2")

    def on_cut_chunk(self, argument, body):
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n[1,2\r\n")

    def on_nothing(self, argument, body):
        self.close_connection = True

    def on_garbage(self, argument, body):
        self.raw(b"\x16\x03\x01 SSH-2.0-OpenSSH_9.2\r\n\xff\xfe\x00" * 20)

    def on_http09(self, argument, body):
        self.raw(b"[1,2,3]")

    def on_big(self, argument, body):
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (3 << 20))
        self.raw(b" " * (3 << 20))

    def on_big_unsaid(self, argument, body):
        self.raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        self.raw(b" " * (3 << 20))

    def on_full(self, argument, body):
        self.say(200, b"x" * int(argument))

    def on_endless(self, argument, body):
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.forever(b"2000\r\n" + b" " * 0x2000 + b"\r\n")

    def on_headers(self, argument, body):
        self.raw(b"HTTP/1.1 200 OK\r\n")
        self.forever(b"X-Filler: " + b"y" * 1000 + b"\r\n")

    def on_early(self, argument, body):
        self.forever(b"HTTP/1.1 103 Early Hints\r\n\r\n")

    def on_bomb(self, argument, body):
        data = gzip.compress(b" " * (20 << 20))
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n%x\r\n" % len(data) + data + b"\r\n0\r\n\r\n")

    def on_packed(self, argument, body):
        self.say(200, gzip.compress(b'{"status":200}'), headers=[("Content-Encoding", "gzip")])

    def on_hang(self, argument, body):
        self.connection.settimeout(60)
        self.connection.recv(1)  # until the client is gone
        self.close_connection = True

    def on_slow(self, argument, body):
        time.sleep(int(argument) / 1000)
        self.say(200)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, context=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.context = context
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, request, client_address):  # in the thread of the connection: a slow handshake holds nobody up
        if self.context:
            request = self.context.wrap_socket(request, server_side=True)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        pass


def openssl(*args):
    subprocess.run(("openssl",) + args, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def authority(folder, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{folder}/{name}.key",
            "-out", f"{folder}/{name}.pem", "-days", "2", "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE")


def certificate(folder, name, ca="ca", san="IP:127.0.0.1,DNS:localhost", days="2"):
    with open(f"{folder}/{name}.ext", "w", encoding="ascii") as f:
        f.write(f"subjectAltName={san}\nbasicConstraints=CA:FALSE\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{folder}/{name}.key", "-out",
            f"{folder}/{name}.csr", "-subj", f"/CN={name}")
    openssl("x509", "-req", "-in", f"{folder}/{name}.csr", "-CA", f"{folder}/{ca}.pem", "-CAkey", f"{folder}/{ca}.key",
            "-CAcreateserial", "-days", days, "-extfile", f"{folder}/{name}.ext", "-out", f"{folder}/{name}.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/{name}.pem", f"{folder}/{name}.key")
    return context


def main():
    folder = sys.argv[1]
    authority(folder, "ca")
    authority(folder, "stranger")
    old = certificate(folder, "old")
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    servers = [Server(), Server(certificate(folder, "good")), Server(certificate(folder, "expired", days="-1")),
               Server(certificate(folder, "other", san="DNS:flip.example,IP:192.0.2.1")),
               Server(certificate(folder, "foreign", ca="stranger")), Server(old)]
    print(*(s.port for s in servers), flush=True)
    sys.stdin.read()
    os._exit(0)  # threads may hang in a write


if __name__ == "__main__":
    main()

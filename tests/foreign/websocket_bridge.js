// A websocket in front of a broker, as a reverse proxy offers it; the server is that of the library ws.
// Paths other than /mqtt are refused. With CERT and KEY it speaks wss.
// usage: node websocket_bridge.js PORT BROKER_PORT [CERT KEY]
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import WebSocket from "ws";

const [port, brokerPort] = process.argv.slice(2, 4).map(Number);
const [cert, key] = process.argv.slice(4).map((path) => readFileSync(path));
const server = cert ? https.createServer({ cert, key }) : http.createServer();
const sockets = new WebSocket.Server({ server, path: "/mqtt", handleProtocols: () => "mqtt" });

sockets.on("connection", (socket) => {
  const broker = net.connect(brokerPort, "127.0.0.1");
  socket.on("message", (data) => broker.write(data));
  broker.on("data", (data) => socket.send(data));
  socket.on("close", () => broker.destroy());
  socket.on("error", () => broker.destroy());
  broker.on("close", () => socket.close());
  broker.on("error", () => socket.terminate());
});
server.listen(port, "127.0.0.1", () => console.log(`listens on ${port}`));
process.on("SIGTERM", () => process.exit(0));

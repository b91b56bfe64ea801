// An edge node of sparkplug-client: plant/edge with the device press, whose metric Speed rises by 1
// every 100 ms. It obeys a rebirth, as the client does.
// usage: node sparkplug_node.js BROKER_PORT
import sparkplug from "sparkplug-client";

const [port] = process.argv.slice(2).map(Number);
const node = sparkplug.newClient({
  serverUrl: `mqtt://127.0.0.1:${port}`,
  username: "",
  password: "",
  groupId: "plant",
  edgeNode: "edge",
  clientId: "edge",
  version: "spBv1.0",
});

let speed = 0;
const metrics = () => [{ name: "Speed", type: "Double", value: speed, timestamp: Date.now() }];
const message = () => ({ timestamp: Date.now(), metrics: metrics() });

node.on("birth", () => {
  node.publishNodeBirth({ timestamp: Date.now(), metrics: [] });
  node.publishDeviceBirth("press", message());
  console.log("born");
});
setInterval(() => {
  speed += 1;
  node.publishDeviceData("press", message());
}, 100);
process.on("SIGTERM", () => {
  node.publishDeviceDeath("press", { timestamp: Date.now() });
  node.stop();
  setTimeout(() => process.exit(0), 200);
});

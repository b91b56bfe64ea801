// An edge node of sparkplug-client: plant/edge with the metric Line/Flow and two devices. Of press, Speed
// rises by 1 every 100 ms. Of oven, born with a metric of every type, Level rises by 1 every 100 ms
// and is sent by its alias alone. It obeys a rebirth, as the client does.
// SIGHUP: it is born again. SIGUSR2: it loses a message. SIGTERM: the death of press, then its own.
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
  keepalive: 1,
  publishDeath: true,
});

const LEVEL = 7;
const TYPES = {
  Int8: -5,
  Int16: -300,
  Int32: -70000,
  Int64: -5000000000,
  UInt8: 250,
  UInt16: 65000,
  UInt32: 4000000000,
  UInt64: 5000000000,
  Float: 1.5,
  Double: 2.25,
  Boolean: true,
  String: "21.5",
  Text: "AUTO",
};

let count = 0;
const message = (...metrics) => ({ timestamp: Date.now(), metrics });
const speed = () => ({ name: "Speed", type: "Double", value: count, timestamp: Date.now() });
const flow = () => ({ name: "Line/Flow", type: "Float", value: 0.5 });
const oven = () => [
  { name: "Level", alias: LEVEL, type: "Int32", value: count },
  ...Object.entries(TYPES).map(([type, value]) => ({ name: type, type, value })),
  { name: "Null", type: "Double", value: null },
  { name: "Poor", type: "Double", value: 1, properties: { Quality: { type: "Int32", value: 0 } } },
  { name: "Stale", type: "Double", value: 2, properties: { Quality: { type: "Int32", value: 500 } } },
];

const beBorn = () => {
  node.publishNodeBirth(message(flow()));
  node.publishDeviceBirth("press", message(speed()));
  node.publishDeviceBirth("oven", message(...oven()));
};
node.on("birth", beBorn);
setInterval(() => {
  if (!node.connected) return;
  count += 1;
  node.publishDeviceData("press", message(speed()));
  node.publishDeviceData("oven", message({ alias: LEVEL, type: "Int32", value: count }));
}, 100);
process.on("SIGHUP", beBorn);
process.on("SIGUSR2", () => node.incrementSeqNum());
process.on("SIGTERM", () => {
  node.publishDeviceDeath("press", { timestamp: Date.now() });
  node.stop();
  setTimeout(() => process.exit(0), 200);
});

// An OPC UA server of node-opcua. In its namespace urn:plant: "ramp" rises by 1 every 100 ms, "text"
// is a text, "list" an array of three numbers. No security, anonymous.
// usage: node opcua_server.js PORT
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OPCUACertificateManager, OPCUAServer, DataType, Variant, VariantArrayType } from "node-opcua";

const [port] = process.argv.slice(2).map(Number);
const rootFolder = mkdtempSync(join(tmpdir(), "opcua-pki-"));
const certificates = new OPCUACertificateManager({ rootFolder, automaticallyAcceptUnknownCertificate: true });

const server = new OPCUAServer({
  port,
  hostname: "127.0.0.1",
  resourcePath: "/",
  serverCertificateManager: certificates,
});
await server.initialize();

const space = server.engine.addressSpace;
const own = space.registerNamespace("urn:plant");
const device = own.addObject({ organizedBy: space.rootFolder.objects, browseName: "Press" });
const variable = (name, dataType, value) =>
  own.addVariable({ componentOf: device, browseName: name, nodeId: `s=${name}`, dataType, value });

let ramp = 0;
setInterval(() => (ramp += 1), 100);
own.addVariable({
  componentOf: device,
  browseName: "ramp",
  nodeId: "s=ramp",
  dataType: "Double",
  minimumSamplingInterval: 50,
  value: { get: () => new Variant({ dataType: DataType.Double, value: ramp }) },
});
variable("text", "String", new Variant({ dataType: DataType.String, value: "running" }));
own.addVariable({
  componentOf: device,
  browseName: "list",
  nodeId: "s=list",
  dataType: "Double",
  valueRank: 1,
  value: new Variant({ dataType: DataType.Double, arrayType: VariantArrayType.Array, value: [1.5, 2.5, 3.5] }),
});

await server.start();
console.log(`listens on ${port}`);
process.on("SIGTERM", async () => {
  await server.shutdown(0);
  process.exit(0);
});

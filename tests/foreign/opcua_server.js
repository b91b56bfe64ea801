// An OPC UA server of node-opcua: a press in the namespace urn:plant.
// usage: node opcua_server.js PORT [JSON]
// JSON holds options; by default there is no security and anybody may log in.
//   policies, modes, anonymous, users, trusting   who may connect, and how
//   hostname                                      the name in the server's own endpoint URLs
//   others                                        namespaces that are registered before urn:plant
//   shuffled                                      node ids are numbered anew at every start
//   twin                                          a second node "Speed" below the press
//   max_sessions, ahead                           sessions at once; hours that its sources are ahead
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  coerceLocalizedText,
  DataType,
  DataValue,
  makeEUInformation,
  MessageSecurityMode,
  nodesets,
  OPCUACertificateManager,
  OPCUAServer,
  SecurityPolicy,
  StatusCodes,
  Variant,
  VariantArrayType,
} from "node-opcua";

const port = Number(process.argv[2]);
const options = JSON.parse(process.argv[3] ?? "{}");
const rootFolder = mkdtempSync(join(tmpdir(), "opcua-pki-"));
const certificates = new OPCUACertificateManager({
  rootFolder,
  automaticallyAcceptUnknownCertificate: options.trusting ?? true,
});

const server = new OPCUAServer({
  port,
  hostname: options.hostname ?? "127.0.0.1",
  resourcePath: "/",
  serverCertificateManager: certificates,
  allowAnonymous: options.anonymous ?? true,
  serverCapabilities: { maxSessions: options.max_sessions ?? 100 },
  securityPolicies: (options.policies ?? ["None"]).map((name) => SecurityPolicy[name]),
  securityModes: (options.modes ?? ["None"]).map((name) => MessageSecurityMode[name]),
  disableDiscovery: options.discovery === false,
  userManager: { isValidUser: (name, password) => options.users?.[name] === password && password !== undefined },
  nodeset_filename: [nodesets.standard, join(import.meta.dirname, "press.nodeset.xml")],
});
await server.initialize();

const space = server.engine.addressSpace;
for (const uri of options.others ?? []) space.registerNamespace(uri);
const own = space.registerNamespace("urn:plant");
const press = own.addObject({ organizedBy: space.rootFolder.objects, browseName: "Press" });
let numbered = 1000 + Math.floor(Math.random() * 1e6);
const nodeId = (name) => (options.shuffled ? `i=${numbered++}` : `s=${name}`);
const add = (name, dataType, value, more) =>
  own.addVariable({
    componentOf: press,
    browseName: name,
    nodeId: nodeId(name),
    dataType,
    minimumSamplingInterval: 50,
    value: value instanceof Variant ? value : { get: value },
    ...more,
  });
const array = (dataType, value) =>
  new Variant({ dataType, arrayType: VariantArrayType.Array, value: dataType === DataType.Double ? Float64Array.from(value) : value });

let ramp = 0;
setInterval(() => (ramp += 1), 100);
const rising = () => new Variant({ dataType: DataType.Double, value: ramp });
add("ramp", "Double", rising);
add("Speed", "Double", rising);
if (options.twin) add("Speed", "Double", rising, { nodeId: "s=twin" });
const text = add("text", "String", new Variant({ dataType: DataType.String, value: "running" }));
add("mode", "LocalizedText", new Variant({ dataType: DataType.LocalizedText, value: coerceLocalizedText("AUTO") }));
add("list", "Double", array(DataType.Double, [1.5, 2.5, 3.5]), { valueRank: 1 });
add("rising", "Double", () => array(DataType.Double, Array.from({ length: 100 }, (_, i) => i + ramp / 1e6)), { valueRank: 1 });
add(
  "matrix",
  "Double",
  new Variant({ dataType: DataType.Double, arrayType: VariantArrayType.Matrix, dimensions: [2, 3], value: Float64Array.from([1, 2, 3, 4, 5, 6]) }),
  { valueRank: 2, arrayDimensions: [2, 3] },
);

const types = space.getNamespaceIndex("urn:press:types");
const type = (number) => space.findNode(`ns=${types};i=${number}`);
const build = (number, value) => space.constructExtensionObject(type(number), value);
const structure = (value) => new Variant({ dataType: DataType.ExtensionObject, value });
const motor = (speed) =>
  build(3020, {
    name: "M1",
    speed,
    state: 5,
    runTime: 1234.5,
    axes: [build(3010, { position: 10.5, homed: true }), build(3010, { position: 20.5, homed: false })],
    codes: [7, 8, 9],
  });
add("motor", type(3020), structure(motor(1450)));
add("motors", type(3020), array(DataType.ExtensionObject, [motor(1), motor(2)]), { valueRank: 1 });
add("partly", type(3030), structure(build(3030, { always: 3, last: 2.5 })));
add("state", type(3000), new Variant({ dataType: DataType.Int32, value: 5 }));
own.addAnalogDataItem({
  componentOf: press,
  browseName: "pressure",
  nodeId: nodeId("pressure"),
  dataType: "Double",
  engineeringUnitsRange: { low: 0, high: 400 },
  instrumentRange: { low: -10, high: 500 },
  engineeringUnits: makeEUInformation("BAR", "bar", "bar"),
  value: new Variant({ dataType: DataType.Double, value: 212.5 }),
});
own.addMultiStateDiscrete({
  componentOf: press,
  browseName: "phase",
  nodeId: nodeId("phase"),
  enumStrings: ["idle", "closing", "pressing"],
  value: 1,
});

const uncertain = add("uncertain", "Double", new Variant({ dataType: DataType.Double, value: 8.5 }));
uncertain.setValueFromSource({ dataType: DataType.Double, value: 8.5 }, StatusCodes.UncertainLastUsableValue);
const broken = add("broken", "Double", new Variant({ dataType: DataType.Double, value: 0 }));
broken.setValueFromSource({ dataType: DataType.Double, value: 0 }, StatusCodes.BadSensorFailure);
own.addVariable({
  componentOf: press,
  browseName: "ahead",
  nodeId: nodeId("ahead"),
  dataType: "Double",
  minimumSamplingInterval: 50,
  value: {
    timestamped_get: () =>
      new DataValue({
        value: rising(),
        sourceTimestamp: new Date(Date.now() + (options.ahead ?? 0) * 3600e3),
        serverTimestamp: new Date(),
      }),
  },
});
for (let folder = 0; folder < (options.folders ?? 0); folder++) {
  const parent = own.addObject({ componentOf: press, browseName: `Folder${folder}` });
  for (let i = 0; i < (options.each ?? 0); i++) {
    const value = new Variant({ dataType: DataType.Double, value: i });
    own.addVariable({ componentOf: parent, browseName: `V${i}`, nodeId: `s=${folder}.${i}`, dataType: "Double", value });
  }
}
// The same node in a second folder.
const favourites = own.addFolder(space.rootFolder.objects, { browseName: "Favourites" });
favourites.addReference({ referenceType: "Organizes", nodeId: text });
favourites.addReference({ referenceType: "Organizes", nodeId: press.getComponentByName("pressure") });

await server.start();
console.log(`listens on ${port}`);
process.on("SIGTERM", async () => {
  await server.shutdown(0);
  process.exit(0);
});

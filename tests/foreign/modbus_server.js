// A Modbus TCP server of modbus-serial: holding register a of unit u holds 100 * u + a.
// usage: node modbus_server.js PORT
import modbus from "modbus-serial";

const [port] = process.argv.slice(2).map(Number);
const registers = {
  getHoldingRegister: (address, unit) => 100 * unit + address,
  getInputRegister: (address, unit) => 1000 + 100 * unit + address,
  getCoil: (address) => address % 2 === 1,
};

const server = new modbus.ServerTCP(registers, { host: "127.0.0.1", port, unitID: 255 });
server.on("initialized", () => console.log(`listens on ${port}`));
process.on("SIGTERM", () => server.close(() => process.exit(0)));

// A Modbus TCP server of modbus-serial: holding register a of unit u holds 100 * u + a, but
// 1000 to 1016 hold values of several types, 2000 + n is refused with exception n, and 3000 is read
// after SLOW ms.
// usage: node modbus_server.js PORT [SLOW]
import modbus from "modbus-serial";

const [port, slow = 0] = process.argv.slice(2).map(Number);

const typed = Buffer.alloc(34);
typed.writeFloatBE(230.5, 0);
typed.writeInt32BE(-70000, 4);
typed.writeDoubleBE(0.1, 8);
typed.writeBigInt64BE(-5n, 16);
typed.writeUInt16BE(0x1234, 24); // BCD
typed.writeUInt16BE(1, 26); // mod10: 1 0002
typed.writeUInt16BE(2, 28);
typed.write("AUTO", 30);

const holding = async (address, unit) => {
  if (address >= 1000 && address < 1017) return typed.readUInt16BE(2 * (address - 1000));
  if (address > 2000 && address < 2012) throw { modbusErrorCode: address - 2000 };
  if (address === 3000) await new Promise((resolve) => setTimeout(resolve, slow));
  return (100 * unit + address) & 0xffff;
};
const registers = {
  getHoldingRegister: holding,
  getInputRegister: (address, unit) => (1000 + 100 * unit + address) & 0xffff,
  getCoil: (address) => address % 2 === 1,
  getDiscreteInput: (address) => address % 3 === 0,
};

const server = new modbus.ServerTCP(registers, { host: "127.0.0.1", port, unitID: 255 });
server.on("initialized", () => console.log(`listens on ${port}`));
process.on("SIGTERM", () => server.close(() => process.exit(0)));

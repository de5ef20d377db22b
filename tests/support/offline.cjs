// Loaded before the language server: whoever asks for a network connection ends the process, and is named.
const net = require('net')

net.Socket.prototype.connect = () => {
  console.error(new Error('the language server asks for a connection').stack)
  process.exit(1)
}

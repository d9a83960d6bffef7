#!/usr/bin/env node
// Drives a paused domain through its life over its JSON-RPC socket, with vscode-jsonrpc (npm install).
//   life.js SOCKET [GREETING [COMMAND [ANSWER]]]
// SOCKET is "socket" in the domain's folder (/run/vmm/ID, or $XDG_RUNTIME_DIR/vmm/ID). See life.sh for what happens.
'use strict';

const net = require('net');
const rpc = require('vscode-jsonrpc/node');

const [path, greeting = '', command = '', answer = ''] = process.argv.slice(2);
const patience = Number(process.env.VMM_SECONDS ?? 120) * 1000;
const shutdownPatience = Number(process.env.VMM_SHUTDOWN_SECONDS ?? 10) * 1000;

function within(promise, milliseconds, what) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`${what} takes too long`)), milliseconds); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function main() {
  const socket = net.connect(path);
  // Messages go behind Content-Length headers, as in the language server protocol.
  const domain = rpc.createMessageConnection(new rpc.StreamMessageReader(socket), new rpc.StreamMessageWriter(socket));
  let screen = Buffer.alloc(0);
  let look = () => {};
  domain.onNotification('domain.event', e => console.log(`-- event ${e.sequence}: ${e.kind}: ${e.message}`));
  domain.onNotification('console.output', output => {
    screen = Buffer.concat([screen, Buffer.from(output.data, 'base64')]);
    look();
  });
  domain.listen();
  const call = (method, params = {}) => within(domain.sendRequest(method, params), patience, method);
  const see = async text => {
    await within(new Promise(resolve => {
      look = () => { if (screen.includes(text)) resolve(); };
      look();
    }), patience, `the console's '${text}'`);
    console.log(`== the console shows '${text}'`);
  };

  const document = await call('rpc.discover');
  const info = await call('domain.info');
  console.log(`== the domain serves ${document.methods.length} methods`);
  console.log(`== domain ${info.id}, ${info.name}: ${info.state}, ${info.vcpus} vCPUs, ${info.memoryBytes / 2 ** 20} MiB`);
  await call('domain.subscribe');
  await call('console.attach');
  await call('domain.unpause');
  if (greeting) await see(greeting);
  if (command) {
    await call('console.write', { data: Buffer.from(`${command}\n`).toString('base64') });
    await see(answer || command);
  }

  console.log('== added:', await call('device.add', { kind: 'rng', config: { id: 'dice' } }));
  try {
    await call('device.remove', { id: 'nothing' });
  } catch (error) {
    if (!(error instanceof rpc.ResponseError)) throw error;
    console.log(`== as it should be: ${error.message} (${error.code}); causes: ${error.data.causes}`);
  }

  await call('domain.rename', { name: 'renamed-by-node' });
  const wait = domain.sendRequest('domain.wait');
  const { isListening } = await call('domain.shutdown');
  console.log(`== the power button is pressed; the guest listens: ${isListening}`);
  const end = await within(wait, shutdownPatience, 'the guest').catch(async () => {
    console.log('== it takes its time: the domain is destroyed');
    await call('domain.destroy');
    return within(wait, patience, 'the end');
  });
  console.log(`== the guest ended: ${end.kind}: ${end.reason}`);
  domain.dispose();
  socket.destroy();
}

main().catch(error => {
  console.error(`life.js: error: ${error.message}`);
  process.exit(1);
});

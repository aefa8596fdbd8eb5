// Drives mqtt.js for the Go tests: commands come as JSON lines on standard input,
// answers and deliveries go as JSON lines to standard output. One process serves
// all peers of a run.
//
// Commands: open {peer, url, options, subs} · publish {peer, topic, payload, qos,
// retain, properties} · end {peer, force}. Each has a seq, which its answer repeats with
// either nothing more, or `error`; the answer to open has `present`, and both open and
// publish have the `properties` of the CONNACK or the acknowledgement.
// Deliveries: {peer, message: {topic, qos, retain, payload, properties}}. Payloads are base64.
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import mqtt from 'mqtt'

const peers = new Map()

function emit(record) {
  process.stdout.write(JSON.stringify(record) + '\n')
}

function open(cmd, answer) {
  const options = cmd.options
  if (options.caFile) options.ca = [readFileSync(options.caFile)]
  if (options.will) options.will.payload = Buffer.from(options.will.payload, 'base64')
  const client = mqtt.connect(cmd.url, options)
  peers.set(cmd.peer, client)
  let settled = false
  const settle = (record) => {
    if (settled) return
    settled = true
    if (record.error) client.end(true)
    answer(record)
  }
  client.on('message', (topic, payload, packet) => {
    emit({
      peer: cmd.peer,
      message: {
        topic,
        qos: packet.qos,
        retain: packet.retain,
        payload: payload.toString('base64'),
        properties: packet.properties,
      },
    })
  })
  // A successful publish is called back without its acknowledgement.
  client.acks = new Map()
  client.on('packetreceive', (packet) => {
    if (packet.cmd === 'puback' || packet.cmd === 'pubrec') client.acks.set(packet.messageId, packet.properties)
  })
  client.on('error', (err) => settle({ error: String(err.message || err) }))
  client.on('close', () => settle({ error: 'closed before CONNACK' }))
  client.once('connect', (connack) => {
    if (!cmd.subs?.length) return settle({ present: connack.sessionPresent, properties: connack.properties })
    const wanted = Object.fromEntries(cmd.subs.map((s) => [s.filter, { qos: s.qos }]))
    client.subscribe(wanted, (err, granted) => {
      if (err) return settle({ error: String(err.message || err) })
      const bad = granted.find((g) => g.qos !== wanted[g.topic]?.qos)
      if (bad) return settle({ error: `subscribing to ${bad.topic}: SUBACK ${bad.qos}` })
      settle({ present: connack.sessionPresent, properties: connack.properties })
    })
  })
}

const handlers = {
  open,
  publish(cmd, answer) {
    const payload = Buffer.from(cmd.payload ?? '', 'base64')
    const options = { qos: cmd.qos, retain: cmd.retain, properties: cmd.properties }
    const client = peers.get(cmd.peer)
    client.publish(cmd.topic, payload, options, (err, packet) => {
      if (err) return answer({ error: String(err.message || err) })
      if (packet?.reasonCode >= 0x80) return answer({ error: `reason code ${packet.reasonCode}` })
      answer({ properties: client.acks.get(packet?.messageId) })
      client.acks.delete(packet?.messageId)
    })
  },
  end(cmd, answer) {
    const client = peers.get(cmd.peer)
    peers.delete(cmd.peer)
    client.end(cmd.force, () => answer({}))
  },
}

createInterface({ input: process.stdin, crlfDelay: Infinity })
  .on('line', (line) => {
    const cmd = JSON.parse(line)
    handlers[cmd.op](cmd, (record) => emit({ seq: cmd.seq, ...record }))
  })
  .on('close', () => process.exit(0))

// Sends the scenario with one Node SDK: send.mjs CLIENT HOST WRITE_KEY SCENARIO
//
// Prints `{"sent": {step: milliseconds of its first call}}` once everything was answered; exits 1 when the SDK reports
// that something was not. It runs from the folder in which package.json is installed.
import { readFileSync } from 'node:fs'

const [name, host, writeKey, scenario] = process.argv.slice(2)
const { steps } = JSON.parse(readFileSync(scenario, 'utf8'))

// Each gives `call(type, message)`, a promise that is kept when the call's request was answered, and `close()`.
const clients = {
  'segment-node': async () => {
    const { Analytics } = await import('@segment/analytics-node')
    return modern(new Analytics({ writeKey, host }))
  },
  'customerio-node': async () => {
    const { Analytics } = await import('@customerio/cdp-analytics-node')
    return modern(new Analytics({ writeKey, host }))
  },
  'segment-node-classic': async () => {
    const { default: Analytics } = await import('analytics-node')
    return classic(new Analytics(writeKey, { host }))
  },
  'rudder-node': async () => {
    const { default: Analytics } = await import('@rudderstack/rudder-sdk-node')
    return classic(new Analytics(writeKey, { dataPlaneUrl: host }))
  },
}

function modern(client) {
  return {
    call: (type, message) =>
      new Promise((resolve, reject) => {
        client[type](message, (error) => (error ? reject(error) : resolve()))
      }),
    close: () => client.closeAndFlush(),
  }
}

function classic(client) {
  return {
    call: (type, message) =>
      new Promise((resolve, reject) => {
        client[type](message, (error) => (error ? reject(error) : resolve()))
      }),
    close: () => client.flush(),
  }
}

function message(step) {
  const { step: _mark, again: _again, type: _type, ...members } = structuredClone(step)
  if (members.timestamp) members.timestamp = new Date(members.timestamp)
  return members
}

const sent = {}
for (const [round, all] of [steps, steps.filter((step) => step.again)].entries()) {
  const client = await clients[name]()
  const calls = all.flatMap((step) => {
    sent[step.step] ??= Date.now()
    const times = round === 0 && step.again ? 2 : 1
    return Array.from({ length: times }, () => client.call(step.type, message(step)))
  })
  await client.close()
  await Promise.all(calls)
}
console.log(JSON.stringify({ sent }))

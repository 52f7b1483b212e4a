// Sends the scenario with the browser SDK in real Chromium: send.mjs CLIENT HOST WRITE_KEY SCENARIO
//
// The page comes from a server of its own, so every request to HOST crosses origins. Prints
// `{"sent": {step: milliseconds of its first call}}`, then keeps the browser open until standard input ends: what a page
// sends while it is left is answered to nobody, and only the receiver can tell when it is there. Exits 1 when a request
// fails, is refused or goes elsewhere. It runs from the folder in which package.json is installed; PAGE names page.html.
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import path from 'node:path'
import { chromium } from 'playwright-core'

const [name, host, writeKey, scenario] = process.argv.slice(2)
const { steps } = JSON.parse(readFileSync(scenario, 'utf8'))
const mode = { browser: 'snippet', 'browser-batching': 'batching', 'browser-leave': 'leave' }[name]
if (!mode) throw new Error(`unknown client ${name}`)
const patience = 20000

const page_html = readFileSync(process.env.PAGE, 'utf8')
const require = createRequire(import.meta.url)
const sdk = path.join(path.dirname(require.resolve('@segment/analytics-next/package.json')), 'dist', 'umd')
const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://page')
  const file = pathname.startsWith('/sdk/') && path.join(sdk, path.basename(pathname))
  if (pathname === '/' || pathname === '/elsewhere') {
    response.writeHead(200, { 'content-type': 'text/html' })
    response.end(pathname === '/' ? page_html : '<!doctype html><title>elsewhere</title>')
  } else if (file && existsSync(file)) {
    response.writeHead(200, { 'content-type': 'text/javascript' })
    response.end(readFileSync(file))
  } else {
    response.writeHead(pathname === '/favicon.ico' ? 204 : 404)
    response.end()
  }
})
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const origin = `http://127.0.0.1:${server.address().port}`

const onPath = process.env.PATH.split(path.delimiter).map((dir) => path.join(dir, 'chromium'))
const executablePath = process.env.CHROMIUM || onPath.find(existsSync)
if (!executablePath) throw new Error('no chromium on PATH')
const browser = await chromium.launch({
  executablePath,
  args: [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
  ],
})

const wrong = new Set()
// A page that is left is told that its requests were broken off, whether they arrive or not.
const brokenOff = (text) => mode === 'leave' && /net::ERR_ABORTED|TypeError: Failed to fetch/.test(text)
const complain = (text) => {
  if (!brokenOff(text)) wrong.add(text)
  arrived()
}
let delivered = 0
let arrived = () => {}
try {
  const page = await browser.newPage({ timezoneId: 'UTC', locale: 'en-US' })
  page.setDefaultTimeout(patience)
  page.on('pageerror', (error) => complain(`script error: ${error}`))
  page.on('console', (message) => {
    if (message.type() === 'error') complain(`console: ${message.text()} ${message.location().url}`)
  })
  page.on('request', (request) => {
    const to = new URL(request.url()).origin
    if (to !== origin && to !== host) complain(`request elsewhere: ${request.method()} ${request.url()}`)
  })
  page.on('requestfailed', (request) => {
    complain(`request failed: ${request.method()} ${request.url()} ${request.failure()?.errorText}`)
  })
  page.on('requestfinished', async (request) => {
    if (!request.url().startsWith(host)) return
    const response = await request.response()
    if (!response.ok()) complain(`refused: ${request.method()} ${request.url()} ${response.status()}`)
    else if (request.method() === 'POST') delivered += request.postDataJSON().batch?.length ?? 1
    arrived()
  })

  const inTime = (promise, what) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`waited ${patience} ms for ${what}`)), patience)
      promise.then(resolve, reject).finally(() => clearTimeout(timer))
    })
  const answered = async (expected) => {
    const deadline = Date.now() + patience
    while (delivered < expected && !wrong.size) {
      const left = deadline - Date.now()
      if (left <= 0) throw new Error(`${delivered} of ${expected} events were answered within ${patience} ms`)
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, left)
        arrived = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
  let called = 0
  const sent = {}
  const visit = async (...parts) => {
    await page.goto('about:blank')
    await page.goto(`${origin}/#${encodeURIComponent(JSON.stringify({ mode, host, writeKey }))}`)
    for (const steps of parts) {
      const times = await inTime(page.evaluate((steps) => window.send(steps), steps), 'the SDK to take the calls')
      for (const [step, time] of Object.entries(times)) sent[step] ??= time
      called += steps.length
      if (mode !== 'leave') await answered(called)
    }
    if (mode === 'leave') await page.goto(`${origin}/elsewhere`)
  }

  // The SDK puts the user it knows when it sends into what was called before: nobody is named until the first is gone.
  const first = steps.findIndex((step) => step.userId)
  const rest = steps.slice(first).flatMap((step) => (step.again ? [step, step] : [step]))
  await visit(steps.slice(0, first), rest)
  await visit(steps.filter((step) => step.again))
  if (wrong.size) throw new Error('the browser reports:')
  console.log(JSON.stringify({ sent }))
  process.stdin.resume()
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, 60000)
    process.stdin.on('end', () => {
      clearTimeout(timer)
      resolve()
    })
  })
} catch (error) {
  console.error([error.message, ...wrong].join('\n'))
  process.exitCode = 1
} finally {
  await browser.close()
  server.close()
  process.stdin.destroy()
}

// Looks at every page as people meet it. One argument: what run.py tells, as JSON.
//
// First a walk without JavaScript, with keys alone, on which a customer delegates, orders, calls off and takes back, and
// an operator stops everything. Then every page in both languages at both widths: axe finds nothing, nothing scrolls
// sideways, Tab reaches every control in its order and shows where it is.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { chromium } from 'playwright-core'

const told = JSON.parse(process.argv[2])
const require = createRequire(import.meta.url)
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')
const WIDTHS = [390, 1280]
const patience = 20000

const wrong = []
const check = (fine, text) => {
  if (!fine) {
    wrong.push(text)
    console.log(`FAIL ${text}`)
  }
}

const browser = await chromium.launch({
  executablePath: told.chromium,
  args: [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
  ],
})

const link = (purpose, about) => {
  const [program, ...start] = told.cli
  const answer = execFileSync(program, [...start, 'customer', 'link', 'hana', '--purpose', purpose, '--about', about])
  return JSON.parse(answer).url
}

/** Tabs until the control is reached, as somebody does who sees no mouse. */
async function reach(page, locator, most = 120) {
  await locator.waitFor({ timeout: patience })
  for (let n = 0; n < most; n += 1) {
    await page.keyboard.press('Tab')
    if (await locator.evaluate((element) => element === document.activeElement)) return
  }
  throw new Error(`Tab does not reach ${locator}`)
}

async function press(page, locator) {
  await reach(page, locator)
  await Promise.all([page.waitForNavigation({ timeout: patience }), page.keyboard.press('Enter')])
}

const button = (page, name) => page.getByRole('button', { name }).first()

// ---- the walk -------------------------------------------------------------------------------------------------------

async function walk() {
  const context = await browser.newContext({ javaScriptEnabled: false, locale: 'ko-KR', viewport: { width: 390, height: 844 } })
  const page = await context.newPage()
  const found = {}
  await page.goto(told.account)
  await press(page, page.getByRole('link', { name: '알아서 주문', exact: true }))
  await reach(page, page.getByText('한도 정하기'))
  await page.keyboard.press('Enter')
  await press(page, button(page, '동의할 내용 보기'))
  check(page.url().includes('done=prepare'), `the terms are shown: ${page.url()}`)
  found.presented = await page.locator('input[name="mandate"]').first().getAttribute('value')
  await shot(page, 'walk-1-terms')
  await press(page, button(page, '이 내용에 동의합니다'))
  check(page.url().includes('done=agree'), `agreed: ${page.url()}`)
  await press(page, button(page, '지금 주문하기'))
  check(page.url().includes('done=order-now'), `ordered now: ${page.url()}`)
  await page.goto(told.account)
  await shot(page, 'walk-2-announced')
  found.action = await page.locator('input[name="action"]').first().getAttribute('value')
  found.mandate = found.presented
  await press(page, page.getByRole('link', { name: /왜 .*인가요/ }))
  found.why = new URL(page.url()).pathname
  await page.goto(told.account + '/settings')
  // To withdraw takes as many steps as to give: one.
  for (const [verb, then] of [['동의하기 — 광고성 정보 수신', '철회하기 — 광고성 정보 수신'], ['철회하기 — 광고성 정보 수신', '동의하기 — 광고성 정보 수신']]) {
    await press(page, page.getByRole('button', { name: verb, exact: true }))
    check(await page.getByRole('button', { name: then, exact: true }).isVisible(), `${verb} takes one step`)
  }
  await press(page, page.getByRole('button', { name: '동의하기 — 광고성 정보 수신', exact: true }))
  found.need = await ask()
  await page.goto(link('offer', found.need))
  await press(page, button(page, /주문하기 — TN-760/))
  check(page.url().includes('done=choose'), `ordered from an offer: ${page.url()}`)
  await shot(page, 'walk-3-ordered')
  await press(page, button(page, /주문 되돌리기/))
  check(page.url().includes('done=undo'), `taken back: ${page.url()}`)
  await context.close()
  return found
}

/** The customer asks for what they need, by a form as the page sends it. */
async function ask() {
  const token = new URL(told.account).pathname
  const body = new URLSearchParams({ deed: 'ask', category: 'toner' })
  const answer = await fetch(told.host + token, {
    method: 'POST', body, redirect: 'manual', headers: { origin: told.host },
  })
  check(answer.status === 303, `asked for an offer: ${answer.status}`)
  const data = await (await fetch(told.account + '/data.json')).json()
  const needs = Object.values(data.needs).filter((need) => need.stage === 'requested' && !need.order_id)
  return needs.map((need) => need.need.need_id).at(-1)
}

async function signIn(context, name, language = 'ko') {
  const page = await context.newPage()
  await page.goto(`${told.host}/ops/sign-in?lang=${language}`)
  const fields = page.locator('input')
  await reach(page, fields.nth(0))
  await page.keyboard.type(name)
  await page.keyboard.press('Tab')
  await page.keyboard.type(told.staff.password)
  await Promise.all([page.waitForNavigation({ timeout: patience }), page.keyboard.press('Enter')])
  check(new URL(page.url()).pathname === '/ops', `${name} signs in with keys alone: ${page.url()}`)
  return page
}

/** Two presses stop everything, and it holds within five seconds of the second. */
async function stopAll() {
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 390, height: 844 } })
  const page = await signIn(context, told.staff.other)
  await reach(page, page.getByText('긴급 정지'))
  await page.keyboard.press('Enter')
  await reach(page, button(page, '지금 모두 멈추기'))
  const began = Date.now()
  await Promise.all([page.waitForNavigation({ timeout: patience }), page.keyboard.press('Enter')])
  const [program, ...start] = told.cli
  const status = JSON.parse(execFileSync(program, [...start, 'effects', 'status']))
  const took = Date.now() - began
  check(status.effects_on === false, 'everything is stopped')
  check(took < 5000, `stopped after ${took} ms`)
  console.log(`ok   stopped in two presses, ${took} ms until it held and was asked about`)
  await context.close()
}

async function startAgain() {
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 390, height: 844 } })
  const page = await signIn(context, told.staff.name)
  await reach(page, page.locator('summary', { hasText: '다시 시작' }))
  await page.keyboard.press('Enter')
  await press(page, button(page, '지금 다시 시작하기'))
  check(page.url().includes('done=started'), `started again: ${page.url()}`)
  await context.close()
}

// ---- every page -----------------------------------------------------------------------------------------------------

async function shot(page, name) {
  await page.screenshot({ path: path.join(told.shots, `${name}.png`), fullPage: true })
}

/** In the order of the document: what Tab has to reach. Of radio buttons of one name the chosen one, or the first. */
const controls = () => {
  const visible = (element) => element.checkVisibility({ visibilityProperty: true })
  const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary')]
  const group = (radio) => all.filter((other) => other.type === 'radio' && other.name === radio.name && other.form === radio.form)
  const stands = (element) => {
    if (element.type !== 'radio') return true
    const chosen = group(element).find((other) => other.checked)
    return element === (chosen ?? group(element)[0])
  }
  const name = (element) => `${element.tagName} ${element.name || element.textContent.trim() || element.value}`
  window.__controls = all.filter((element) => element.type !== 'hidden' && visible(element) && stands(element))
  return window.__controls.map(name)
}

async function look(page, name, language, width) {
  const where = `${name} ${language} ${width}`
  await page.waitForLoadState('load')
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  check(overflow <= 0, `${where}: ${overflow} px wider than the window`)
  // The way out of advertising says everything in both.
  const said = name === 'unsubscribe' ? 'ko' : language
  check((await page.evaluate(() => document.documentElement.lang)) === said, `${where}: the page says its language`)
  await shot(page, `${name}-${language}-${width}`)
  const keys = await page.evaluate(() => document.body.innerText.match(/\b(page|ops)-[a-z]+(-[a-z0-9]+)*\b/g) ?? [])
  check(keys.length === 0, `${where}: texts are missing: ${keys}`)
  await page.evaluate(axe)
  const result = await page.evaluate(() => globalThis.axe.run(document))
  for (const violation of result.violations) {
    const nodes = violation.nodes.map((node) => node.html).join('\n       ')
    check(false, `${where}: axe ${violation.id} (${violation.impact}): ${violation.help}\n       ${nodes}`)
  }
  // Everything is opened, so that what is inside is reached as well.
  await page.evaluate(() => document.querySelectorAll('details').forEach((details) => { details.open = true }))
  const wanted = await page.evaluate(controls)
  await page.evaluate(() => { document.activeElement?.blur(); window.scrollTo(0, 0) })
  for (const [n, control] of wanted.entries()) {
    await page.keyboard.press('Tab')
    const state = await page.evaluate((n) => {
      const active = document.activeElement
      const style = getComputedStyle(active)
      const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
      return { here: window.__controls.indexOf(active), seen, want: n }
    }, n)
    if (state.here !== n) {
      // A date is several fields to Tab; it is left by as many.
      const date = await page.evaluate((n) => window.__controls[n - 1]?.type === 'date' && document.activeElement === window.__controls[n - 1], n)
      let left = date
      for (let more = 0; left && more < 4; more += 1) {
        await page.keyboard.press('Tab')
        left = !(await page.evaluate((n) => document.activeElement === window.__controls[n], n))
      }
      if (!date || left) {
        check(false, `${where}: Tab ${n + 1} is not at ${control}`)
        break
      }
    }
    check(state.seen, `${where}: nobody sees that ${control} has the focus`)
  }
  return wanted.length
}

async function everyPage(pages, cookiesOf) {
  let looked = 0
  for (const language of ['en', 'ko']) {
    for (const width of WIDTHS) {
      const context = await browser.newContext({ bypassCSP: true, viewport: { width, height: 844 }, colorScheme: 'light', locale: language })
      if (cookiesOf) await context.addCookies(cookiesOf)
      const page = await context.newPage()
      page.on('pageerror', (error) => check(false, `${page.url()}: ${error}`))
      for (const [name, url] of Object.entries(pages)) {
        await page.goto(`${url}?lang=${language}`)
        await look(page, name, language, width)
        looked += 1
      }
      await context.close()
    }
  }
  return looked
}

const found = await walk()
console.log('ok   a customer delegates, orders, takes back and withdraws without JavaScript, with keys alone')
const account = told.account
let looked = await everyPage({
  home: account,
  auto: `${account}/auto`,
  settings: `${account}/settings`,
  receipts: `${account}/receipts`,
  data: `${account}/data`,
  why: told.host + found.why,
  offer: link('offer', found.need),
  action: link('action', found.action),
  mandate: link('mandate', found.mandate),
  unsubscribe: link('unsubscribe', 'x'),
  unknown: `${told.host}/c/unknown`,
  'sign-in': `${told.host}/ops/sign-in`,
})
const desk = await browser.newContext()
const operator = await signIn(desk, told.staff.name)
await operator.goto(`${told.host}/ops/decisions`)
const decision = await operator.locator('main ul.rows a[aria-label]').first().getAttribute('href')
await operator.goto(`${told.host}/ops/customers?q=hana`)
const customer = await operator.locator('main a.name').first().getAttribute('href')
const cookies = (await desk.cookies()).filter((cookie) => cookie.name !== 'lang')
const staffPages = {
  today: `${told.host}/ops`,
  'auto-orders': `${told.host}/ops/orders`,
  decisions: `${told.host}/ops/decisions`,
  decision: told.host + decision,
  customers: `${told.host}/ops/customers`,
  customer: told.host + customer,
}
looked += await everyPage(staffPages, cookies)
// One click helps a promise.
await operator.goto(`${told.host}/ops`)
await press(operator, button(operator, /다른 곳에서 출고/))
check(operator.url().includes('done=remedied'), `a remedy is applied: ${operator.url()}`)
await stopAll()
looked += await everyPage({ stopped: `${told.host}/ops` }, cookies)
await startAgain()
// Who calls off, pauses and ends, with keys alone and without JavaScript.
const last = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 390, height: 844 }, locale: 'en' })
const page = await last.newPage()
await page.goto(`${link('action', found.action)}?lang=en`)
await press(page, button(page, /Call off/))
check(page.url().includes('done=call-off'), `called off: ${page.url()}`)
await page.goto(`${link('mandate', found.mandate)}?lang=en`)
await press(page, button(page, 'End the agreement'))
check(page.url().includes('done=revoke'), `ended: ${page.url()}`)
await shot(page, 'walk-4-ended')
await browser.close()
console.log(`${wrong.length ? 'FAIL' : 'ok  '} ${looked} pages looked at, ${wrong.length} things wrong`)
process.exit(wrong.length ? 1 : 0)

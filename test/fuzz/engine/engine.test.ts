import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../helpers/seeded.ts'
import { type Target } from '../target.ts'
import { type Finding, Fuzzer } from './fuzz.ts'
import { InFlight } from './in-flight.ts'
import { COUNTERS, instrument } from './instrument.ts'

/** Evaluates the expression at the end of a program. */
function evaluate(code: string, counters: Uint32Array): unknown {
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
  return (new Function(COUNTERS, code) as (counters: Uint32Array) => unknown)(counters)
}

describe('instrumented code', () => {
  it.each([
    ["const f = n => ({ n, more: n > 1 ? [1, n] : n || 'none' }); return [f(0), f(1), f(2)]"],
    ["const f = n => { if (n > 1) if (n > 2) return 'many'; else return 'two'; return 'few' }; return [1, 2, 3].map(f)"],
    [
      "let s = ''; for (const c of 'abc') s += c; for (let i = 0; i < 3; i++) s += i; while (s.length < 9) s += '.'; do s += '!'; while (s.length < 12); return s",
    ],
    ["const f = n => { switch (n) { case 1: return 'one'; case 2: case 3: n++; default: return n } }; return [1, 2, 3, 4].map(f)"],
    ["function f() { 'use strict'; return this === undefined } return f()"],
    ['function* f(n) { yield n && (yield n + 1) } const g = f(1); return [g.next(), g.next(5), g.next()]'],
    ['try { null.x } catch { return ((a, b = a ?? 3) => a ? b : (b, a))(0) }'],
  ])('does the same: %s', source => {
    const counters = new Uint32Array(100)
    const { code, blocks } = instrument(source, 10, 'commonjs')
    expect(evaluate(code, counters)).toEqual(evaluate(source, counters))
    expect(blocks).toBeGreaterThan(0)
    expect(counters.subarray(0, 10).every(count => count === 0)).toBe(true)
    expect(counters.subarray(10, 10 + blocks).some(count => count > 0)).toBe(true)
    expect(counters.subarray(10 + blocks).every(count => count === 0)).toBe(true)
  })
})

/** Fuzzes a function for some inputs, until it has a finding. */
async function findingIn(source: string, inputs: Uint8Array[] = []): Promise<Finding | undefined> {
  const counters = new Uint32Array(100)
  const { code, blocks, literals } = instrument(source, 0, 'commonjs')
  const run = evaluate(`return ${code}`, counters) as Target['run']
  const findings: Finding[] = []
  const options = { random: seededRandom(1), inputs, counters, files: [{ first: 0, blocks, literals }], inFlight: new InFlight() }
  const target: Target = { name: 'a function', seeds: () => [Buffer.from('seed')], run }
  await new Fuzzer({ ...options, target, seconds: 20, maxFindings: 1, onFinding: finding => findings.push(finding) }).run()
  return findings[0]
}

describe('fuzzing finds', () => {
  it('an error behind several conditions, one after the other', async () => {
    const finding = await findingIn(`bytes => {
      if (bytes.length < 6 || bytes[0] !== 0x43) return
      if (bytes[1] !== 0x45) return
      if ((bytes[2] | bytes[3] << 8) !== 4711) return
      if (bytes[4] + bytes[5] === 300) throw new TypeError('found')
    }`)
    expect(finding).toMatchObject({ key: expect.stringContaining('TypeError') as string })
    expect([...finding!.input.subarray(0, 4)]).toEqual([0x43, 0x45, 4711 & 255, 4711 >> 8])
  })

  it('more than linear work', async () => {
    const finding = await findingIn('bytes => { for (const _ of bytes) for (const __ of bytes) ; }', [new Uint8Array(8000)])
    expect(finding).toMatchObject({ key: 'more than linear work' })
  })

  it('much memory', async () => {
    const finding = await findingIn('bytes => { if (bytes.length > 4000) Buffer.alloc(600e6, 1) }')
    expect(finding).toMatchObject({ key: 'too much memory' })
  })
})

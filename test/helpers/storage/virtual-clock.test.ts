import { readFile } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { codeOf } from '../failures.ts'
import { VirtualClock } from './virtual-clock.ts'

describe('VirtualClock', () => {
  test('an hour of waiting passes in no time', async () => {
    const clock = new VirtualClock({ start: 1000 })
    const began = performance.now()
    await clock.sleep(3_600_000)
    expect(clock.now()).toBe(3_601_000)
    expect(performance.now() - began).toBeLessThan(5000)
  })

  test('waits side by side take as long as the longest, one after the other their sum', async () => {
    const clock = new VirtualClock({ start: 0 })
    await Promise.all([clock.sleep(300), clock.sleep(500), clock.sleep(100)])
    expect(clock.now()).toBe(500)
    await clock.sleep(20)
    await clock.sleep(30)
    expect(clock.now()).toBe(550)
  })

  test('wakes in the order of time', async () => {
    const clock = new VirtualClock({ start: 0 })
    const woken: [string, number][] = []
    const nap = async (name: string, ms: number) => {
      await clock.sleep(ms)
      woken.push([name, clock.now()])
    }
    const second = async () => {
      await nap('b', 20)
      await nap('d', 25)
    }
    await Promise.all([nap('c', 40), second(), nap('a', 10), nap('e', 45)])
    expect(woken.slice(0, 3)).toEqual([
      ['a', 10],
      ['b', 20],
      ['c', 40],
    ])
    expect(woken.slice(3).sort()).toEqual([
      ['d', 45],
      ['e', 45],
    ])
  })

  test('stands still while files are read and promises run', async () => {
    const clock = new VirtualClock({ start: 0 })
    const work = async () => {
      for (let i = 0; i < 30; i++) await readFile(import.meta.filename)
      for (let i = 0; i < 1000; i++) await Promise.resolve()
      await clock.sleep(10)
    }
    await Promise.all([clock.sleep(15), work()])
    expect(clock.now()).toBe(15)
  })

  test('stands still while a worker computes, when asked to look out for that', async () => {
    const clock = new VirtualClock({ start: 0, quietMs: 10 })
    const worker = new Worker(
      `const { parentPort } = require('node:worker_threads')
       parentPort.on('message', () => { const end = Date.now() + 150; while (Date.now() < end); parentPort.postMessage('done') })`,
      { eval: true },
    )
    try {
      await new Promise(resolve => worker.once('online', resolve))
      const work = async () => {
        const answer = new Promise(resolve => worker.once('message', resolve))
        worker.postMessage('go')
        await answer
        await clock.sleep(10)
      }
      await Promise.all([clock.sleep(15), work()])
      expect(clock.now()).toBe(15)
    } finally {
      await worker.terminate()
    }
  })

  test('an aborted wait ends at once and takes no time', async () => {
    const clock = new VirtualClock({ start: 0 })
    const abort = new AbortController()
    const waiting = codeOf(clock.sleep(1000, abort.signal))
    abort.abort()
    expect(await waiting).toBe('interrupted')
    await clock.sleep(5)
    expect(clock.now()).toBe(5)
  })
})

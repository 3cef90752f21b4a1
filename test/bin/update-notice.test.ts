import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tellOfUpdate, wantsUpdateNotice } from '../../src/commands/shared/update-notice.ts'
import { withFolder } from '../helpers/folders.ts'

const DAY = 24 * 60 * 60 * 1000

const asked: string[] = []
let answer: string | undefined = ''
const server = createServer((request, response) => {
  asked.push(request.url!)
  if (answer !== undefined) response.end(answer) // else it never answers
})
let registry: string
beforeAll(async () => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  registry = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

/** Commands on one machine; each gives what it said. */
function machine(folder: string, version = '0.9.3'): (at: number, signal?: AbortSignal) => Promise<string[]> {
  return async (at, signal = new AbortController().signal) => {
    const said: string[] = []
    const services = {
      file: join(folder, 'update.json'),
      version,
      now: () => at,
      fetch,
      reporter: { note: (text: string) => said.push(text) },
      signal,
    }
    await tellOfUpdate({ registry, name: 'some-tool', howToUpdate: 'Update it.' }, services)
    return said
  }
}

describe('the notice of a newer version', () => {
  test('is asked for once a day, and told once a day by the commands after', () =>
    withFolder(async folder => {
      asked.length = 0
      answer = '{"latest":"0.10.0"}'
      const command = machine(folder)
      expect(await command(DAY)).toEqual([])
      expect(asked).toEqual(['/-/package/some-tool/dist-tags'])
      expect(await command(DAY + 1000)).toEqual(['colab-escape 0.10.0 is out, this is 0.9.3. Update it.'])
      expect(await command(DAY + 2000)).toEqual([])
      expect(asked).toHaveLength(1)
      expect(await command(2 * DAY + 2000)).toHaveLength(1)
      expect(asked).toHaveLength(2)
    }))

  test.each(['{"latest":"0.9.3"}', '{"latest":"0.9.2"}', '{"latest":"9.9.9\\u001b[31m"}', '{"latest":{}}', '{}', 'null', '<html>', ''])(
    'is none after the answer %j',
    text =>
      withFolder(async folder => {
        answer = text
        const command = machine(folder)
        expect([...(await command(DAY)), ...(await command(DAY + 1)), ...(await command(3 * DAY))]).toEqual([])
      }),
  )

  test('waits for no registry when the command ends, and asks a silent one once', () =>
    withFolder(async folder => {
      asked.length = 0
      answer = undefined
      const ended = new AbortController()
      const asking = machine(folder)(DAY, ended.signal)
      while (asked.length === 0) await new Promise(resolve => setTimeout(resolve, 5))
      ended.abort()
      expect(await asking).toEqual([])
      expect(await machine(folder)(DAY + 1)).toEqual([])
      expect(asked).toHaveLength(1)
    }))

  test('survives a damaged note, and a folder that is not there', () =>
    withFolder(async folder => {
      answer = '{"latest":"1.0.0"}'
      writeFileSync(join(folder, 'update.json'), '{"asked":"x","newest":[')
      expect(await machine(folder)(DAY)).toEqual([])
      expect(await machine(folder)(DAY + 1)).toHaveLength(1)
      expect(await machine(join(folder, 'absent'))(DAY)).toEqual([])
      expect(existsSync(join(folder, 'absent'))).toBe(false)
    }))

  test('is only for people who look at a terminal and have not declined', () => {
    expect(wantsUpdateNotice({}, {}, true)).toBe(true)
    expect(wantsUpdateNotice({}, { CI: '' }, true)).toBe(true)
    expect(wantsUpdateNotice({}, {}, false)).toBe(false)
    expect(wantsUpdateNotice({ json: true }, {}, true)).toBe(false)
    expect(wantsUpdateNotice({ quiet: true }, {}, true)).toBe(false)
    for (const name of ['CI', 'NO_UPDATE_NOTIFIER', 'COLAB_ESCAPE_NO_UPDATE_NOTICE'])
      expect(wantsUpdateNotice({}, { [name]: '1' }, true)).toBe(false)
  })
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import type { DriveEmulator, EmulatorOptions } from '../drive-emulator/emulator.ts'
import type { Refusal } from '../drive-emulator/refusals.ts'
import { eventsOf, expectError } from '../helpers/cli.ts'
import { withDrive } from '../helpers/drive.ts'
import { rejection } from '../helpers/failures.ts'
import { withFolder } from '../helpers/folders.ts'
import { pushFolder } from '../helpers/in-process.ts'
import { kindOfLine } from '../helpers/json-output.ts'
import { runInPty } from '../helpers/pty.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { expectSameTree, makeTree } from '../helpers/trees.ts'
import { whileWatching } from '../watch/running.ts'
import { DriveSandbox, driveEnvironment, PROGRAM } from './drive-cli.ts'
import { machine } from './machine.ts'

const MINUTE = 60_000

/** A Drive that refuses everything for `minutes` from its fifth call on, in a time that runs 40 times faster. */
const stormOf = (minutes: number, refusal: Refusal = 'userRateLimitExceeded'): EmulatorOptions => ({
  behaviours: { timeScale: 40, storms: [{ atCall: 5, ms: minutes * MINUTE, with: [refusal] }] },
})

function withStorm(options: EmulatorOptions, use: (emulator: DriveEmulator, sandbox: DriveSandbox) => Promise<void>): Promise<void> {
  return withDrive(options, emulator =>
    withFolder(async folder => {
      const sandbox = new DriveSandbox(emulator, folder)
      makeTree(sandbox.in('data'), { 'a.bin': seededNoise(1, 300_000) })
      await use(emulator, sandbox)
    }),
  )
}

test.each(['tooManyRequestsEmpty', 'badGatewayPage'] as const)('a push waits through %s of five minutes, and says so once', refusal =>
  withStorm(stormOf(5, refusal), async (_, sandbox) => {
    const { stderr } = await sandbox.ok('push', 'data', '--no-progress')
    const why = refusal === 'badGatewayPage' ? 'Drive has trouble' : 'Drive limits how fast it is used'
    const said = new RegExp(`^note: ${why}: next try in \\d+ s, until \\d\\d:\\d\\d\\nnote: requests succeed again after \\d+ m \\d+ s\\n$`)
    expect(stderr).toMatch(said)
    await sandbox.ok('pull', 'data', 'out')
    expectSameTree(sandbox.in('out'), sandbox.in('data'))
  }),
)

test('with --json there is an event when it begins and one when it is over, with --quiet nothing', () =>
  withStorm(stormOf(3), async (_, sandbox) => {
    const run = await sandbox.ok('push', 'data', '--json')
    const [waiting, resumed, ...others] = eventsOf(run).filter(({ event }) => event === 'waiting' || event === 'resumed')
    expect(waiting).toMatchObject({ event: 'waiting', code: 'throttled', message: expect.stringContaining('User Rate Limit') as string })
    expect(resumed).toMatchObject({ event: 'resumed' })
    expect([waiting, resumed].map(line => kindOfLine(line!))).toEqual(['waiting', 'resumed'])
    expect(others).toEqual([])
  }))

test('nothing is said with --quiet', () =>
  withStorm(stormOf(3), async (_, sandbox) => {
    const { stdout, stderr } = await sandbox.ok('push', 'data', '--quiet')
    expect([stdout, stderr]).toEqual(['', ''])
  }))

test('a storm of eleven minutes ends after ten: what was answered, for how long it was tried, what to do', () =>
  withStorm(stormOf(11), async (emulator, sandbox) => {
    const { hint } = expectError(await sandbox.run(['push', 'data']), 1, /User Rate Limit Exceeded.*It was tried for 10 min\./)
    expect(hint).toContain('run the same command again')
    emulator.drive.conduct.settle()
    await sandbox.ok('push', 'data')
  }))

test('Drive asks to wait for an hour: nobody does, and the error says so', () =>
  withStorm({}, async (emulator, sandbox) => {
    const limited = { status: 429, reason: 'rateLimitExceeded', retryAfter: 3600 }
    emulator.faults.add({ on: 'upload.multipart', nth: 1, times: Infinity, do: limited })
    const { hint } = expectError(await sandbox.run(['push', 'data']), 1, /rateLimitExceeded/)
    expect(hint).toMatch(/^Drive asks to wait 1 h, until \d\d:\d\d: run the same command again then/)
  }))

test('without a network the first request ends after half a minute', async () => {
  const options = stormOf(0)
  await withFolder(async folder => {
    let sandbox: DriveSandbox | undefined
    await withDrive(options, async emulator => void (sandbox = new DriveSandbox(emulator, folder)))
    const { hint } = expectError(await sandbox!.run(['log']), 1, /ECONNREFUSED.*It was tried for 3\d s\./)
    expect(hint).toContain('Check the network')
  })
})

test('a terminal shows the wait in its line, and then the progress again', () =>
  withStorm(stormOf(4), async (emulator, sandbox) => {
    const env = driveEnvironment(emulator, sandbox.path, emulator.issueToken())
    const { output, exitCode } = await runInPty(process.execPath, [PROGRAM, 'push', sandbox.in('data')], { env, seconds: 50 })
    expect(exitCode, output).toBe(0)
    expect(output).toMatch(/Drive limits how fast it is used: next try in \d+ s, until \d\d:\d\d/)
    const after = output.slice(output.lastIndexOf('Drive limits'))
    expect(after).toMatch(/Storing|Saving/)
    expect(output).not.toContain('note:')
  }))

test('Ctrl-C ends a wait of a push', () =>
  withStorm({ behaviours: { storms: [{ atCall: 5, ms: 60 * MINUTE, with: ['userRateLimitExceeded'] }] } }, async (emulator, sandbox) => {
    const env = { ...process.env, ...driveEnvironment(emulator, sandbox.path, emulator.issueToken()) }
    const child = spawn(process.execPath, [PROGRAM, 'push', sandbox.in('data')], { env, stdio: ['ignore', 'ignore', 'pipe'] })
    let stderr = ''
    let stopped = false
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      stderr += piece
      if (stopped || !/next try/.test(stderr)) return
      stopped = true // a second signal would kill it at once
      child.kill('SIGINT')
    })
    await once(child, 'close')
    expect([child.exitCode, stderr]).toEqual([130, expect.stringMatching(/note: .*\nerror: Interrupted\.\n/) as string])
  }))

test('Ctrl-C in the wait of a watch is answered at once, and ends it within the time for its last version', () =>
  withStorm({ behaviours: { storms: [{ atCall: 5, ms: 60 * MINUTE, with: ['userRateLimitExceeded'] }] } }, async (emulator, sandbox) => {
    const env = driveEnvironment(emulator, sandbox.path, emulator.issueToken())
    const args = ['data', '--settle', '200ms', '--every', '100ms', '--grace', '3s']
    await whileWatching(
      sandbox,
      args,
      async watch => {
        await watch.next('waiting')
        const refused = emulator.requests.length
        const ended = watch.stop('SIGINT')
        await watch.next('stopping')
        expect(await ended).toBe(130)
        expect(emulator.requests.length).toBeGreaterThan(refused)
      },
      env,
    )
  }))

test('a watch that starts in a storm does not wait for its end', () =>
  withStorm(
    { behaviours: { timeScale: 40, storms: [{ atCall: 1, ms: 5 * MINUTE, with: ['backendError'] }] } },
    async (emulator, sandbox) => {
      const env = driveEnvironment(emulator, sandbox.path, emulator.issueToken())
      await whileWatching(
        sandbox,
        ['data', '--settle', '200ms', '--every', '100ms'],
        async watch => {
          expect(watch.all('warning')[0]?.message).toMatch(
            /It was tried for 3\d s\. The next attempt is made when there is something to save/,
          )
          await watch.saved('a.bin')
          expect(await watch.stop('SIGTERM')).toBe(0)
        },
        env,
      )
    },
  ))

test('a token that Google does not renew for minutes in the middle of a push does not end it', () =>
  withDrive({}, emulator =>
    withFolder(async folder => {
      makeTree(folder, { 'a.bin': seededNoise(1, 300_000) })
      emulator.faults.add({ on: 'oauth.token', nth: 1, times: 12, do: { status: 500, reason: 'internalError' } })
      emulator.faults.add({ on: 'oauth.token', nth: 13, times: 12, do: 'reset-before' })
      let isExpired = false
      const expiring: typeof fetch = (input, init) => {
        const isUpload = new URL(input instanceof Request ? input.url : input).pathname.startsWith('/upload')
        if (isUpload && !isExpired) emulator.accounts.expireAccessTokens()
        isExpired ||= isUpload
        return fetch(input, init)
      }
      const { outcome } = await pushFolder(machine(emulator, { fetch: expiring }), folder, 'data')
      expect(outcome).toBe('stored')
      expect(emulator.counts['oauth.token']).toBe(25)
    }),
  ))

test('a login page of a network is not taken for an outage: it ends after half a minute, with what it may be', () =>
  withDrive({}, emulator =>
    withFolder(async folder => {
      makeTree(folder, { 'a.bin': 'a' })
      const page: typeof fetch = async () =>
        new Response('<title>Welcome to the hotel</title>', { headers: { 'content-type': 'text/html' } })
      const error = await rejection(pushFolder(machine(emulator, { fetch: page }), folder, 'data'))
      expect(error.message).toMatch(/is not JSON\. It was tried for 3\d s\.$/)
      expect(error.hint).toMatch(/proxy or a login page/)
    }),
  ))

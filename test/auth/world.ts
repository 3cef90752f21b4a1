import { inspect } from 'node:util'
import { expect } from 'vitest'
import type { AuthContext } from '../../src/auth/context.ts'
import { googleEndpoints } from '../../src/auth/endpoints.ts'
import type { AppError } from '../../src/util/errors.ts'
import { startDriveEmulator, type DriveEmulator, type EmulatorOptions } from '../drive-emulator/emulator.ts'
import { timelessPatience } from '../helpers/patience.ts'
import { rejection } from '../helpers/failures.ts'

export const CLIENT = { id: 'test-client.apps.googleusercontent.com', secret: 'test-client-secret' }

/** An emulator and a context that speaks to it, with a clock that both share and waits that take no time. */
export interface World {
  google: DriveEmulator
  context: AuthContext
  /** ms since 1970; tests move it. */
  clock: { now: number }
  /** The waits that were asked for, in ms. */
  waits: number[]
}

export async function withWorld<T>(use: (world: World) => Promise<T>, options: EmulatorOptions = {}): Promise<T> {
  const clock = { now: Date.parse('2026-11-20T12:00:00Z') }
  const google = await startDriveEmulator({ surroundings: { now: () => clock.now }, ...options })
  const waits: number[] = []
  let calls = 0
  const context: AuthContext = {
    fetch,
    endpoints: googleEndpoints(google.url),
    now: () => clock.now,
    random: bytes => Uint8Array.from({ length: bytes }, (_, i) => (i * 37 + calls++ * 101) & 0xff),
    patience: timelessPatience(ms => waits.push(ms)),
  }
  try {
    return await use({ google, context, clock, waits })
  } finally {
    await google.close()
  }
}

/** What a token, a code or a client secret of the emulator looks like. */
export const SECRETS = /ya29\.|1\/\/0|4(?:\/|%2F)0A|test-client-secret|PRIVATE KEY/

/** The error that `action` must end with, checked for secrets in all that it carries. */
export async function failure(action: Promise<unknown>): Promise<AppError> {
  const error = await rejection(action)
  expect(inspect(error, { depth: 10 })).not.toMatch(SECRETS)
  expect(error.hint).toMatch(/\S/)
  return error
}

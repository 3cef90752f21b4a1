import { statSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { AppError, corrupt, errnoOf, isAppError, messageOf, throwIfAborted } from '../../src/util/errors.ts'

describe('AppError', () => {
  test('carries what happened, why, and what to do next', () => {
    const cause = new Error('deep down')
    const error = new AppError('quota', 'The drive is full.', { hint: 'Make room.', cause, retryAfterMs: 5, list: ['a'] })
    expect(error).toMatchObject({ code: 'quota', message: 'The drive is full.', hint: 'Make room.', cause, retryAfterMs: 5, list: ['a'] })
    expect(error).toBeInstanceOf(Error)
  })

  test('has neither a cause nor a hint unless it was given one', () => {
    const error = new AppError('io', 'x')
    expect('cause' in error).toBe(false)
    expect(error.hint).toBeUndefined()
    expect(error.list).toEqual([])
  })

  test('is told from others, by its codes', () => {
    const error = corrupt('Pack 12', 'it is cut short')
    expect(error.message).toBe('Pack 12 is damaged: it is cut short')
    expect(error.hint).toContain('check --read-data')
    expect(isAppError(error)).toBe(true)
    expect(isAppError(error, 'io', 'corrupt')).toBe(true)
    expect(isAppError(error, 'io')).toBe(false)
    expect(isAppError(Object.assign(new Error('x'), { code: 'corrupt' }), 'corrupt')).toBe(false)
    expect(isAppError(undefined)).toBe(false)
  })
})

test('errnoOf tells system errors from all others', () => {
  const system: unknown = (() => {
    try {
      return statSync('/nowhere/at all')
    } catch (error) {
      return error
    }
  })()
  expect(errnoOf(system)).toBe('ENOENT')
  // an error of the core has a code too: taking it for one of the file system would hide it
  expect(errnoOf(new AppError('unavailable', 'x'))).toBeUndefined()
  expect(errnoOf(new Error('x'))).toBeUndefined()
  expect(errnoOf({ code: 'ENOENT' })).toBeUndefined()
})

test('messageOf takes anything that was thrown', () => {
  expect(messageOf(new TypeError('bad'))).toBe('bad')
  expect(messageOf('text')).toBe('text')
  expect(messageOf(undefined)).toBe('undefined')
})

test('throwIfAborted throws `interrupted`, only once aborted', () => {
  const controller = new AbortController()
  throwIfAborted(undefined)
  throwIfAborted(controller.signal)
  controller.abort()
  expect(() => throwIfAborted(controller.signal)).toThrow(expect.objectContaining({ code: 'interrupted' }) as Error)
})

import { isAppError, type AppError, type ErrorCode } from '../../src/util/errors.ts'

/** Returns the error that `act` must throw. Anything but an AppError of this code comes through. */
export function refusal(act: () => unknown, code: ErrorCode = 'corrupt'): AppError {
  try {
    act()
  } catch (error) {
    if (isAppError(error, code)) return error
    throw error
  }
  throw new Error(`it was not refused as ${code}`)
}

/** Returns the AppError, of one of `codes` if any are given, that `promise` must be rejected with. */
export async function rejection(promise: Promise<unknown>, ...codes: ErrorCode[]): Promise<AppError> {
  const reason: unknown = await promise.then(
    value => new Error('it succeeded', { cause: value }),
    (reason: unknown) => reason,
  )
  if (isAppError(reason, ...codes)) return reason
  throw new Error(`it was not refused as ${codes.join(' or ') || 'an AppError'}`, { cause: reason })
}

/** Returns the code of the AppError that `promise` must be rejected with. */
export const codeOf = async (promise: Promise<unknown>): Promise<ErrorCode> => (await rejection(promise)).code

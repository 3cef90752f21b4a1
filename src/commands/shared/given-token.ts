import { AppError, throwIfAborted } from '../../util/errors.ts'
import { readSecretFile } from './secret-file.ts'
import type { GlobalOptions } from './session.ts'

/** Tokens of Google have some 200 characters. */
const LARGEST_TOKEN = 16 * 1024

/** The options with the token itself, which may be in a file (`--token-file`) or come from stdin (`--token -`). */
export async function withToken({ tokenFile, ...options }: GlobalOptions, signal: AbortSignal): Promise<GlobalOptions> {
  if (tokenFile !== undefined && options.token !== undefined)
    throw new AppError('usage', '--token and --token-file are both given.', { hint: 'Give one of them.' })
  if (tokenFile !== undefined) return { ...options, token: tokenIn(tokenFile) }
  return options.token === '-' ? { ...options, token: await tokenFromStdin(signal) } : options
}

function tokenIn(path: string): string {
  return firstLine(readSecretFile(path, 'token', { maxBytes: LARGEST_TOKEN, pipe: '--token -' }), path)
}

async function tokenFromStdin(signal: AbortSignal): Promise<string> {
  const { stdin } = process
  const stop = (): unknown => stdin.destroy()
  signal.addEventListener('abort', stop, { once: true })
  let text = ''
  try {
    for await (const piece of stdin as AsyncIterable<Buffer>) {
      text += piece.toString('latin1')
      if (text.includes('\n') || text.length > LARGEST_TOKEN) break
    }
  } catch (error) {
    throwIfAborted(signal)
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
  throwIfAborted(signal)
  return firstLine(text.slice(0, LARGEST_TOKEN), 'standard input')
}

function firstLine(text: string, where: string): string {
  const token = (text.split('\n')[0] ?? '').trim()
  if (token !== '') return token
  throw new AppError('unauthenticated', `There is no token in ${where}.`, {
    hint: 'Its first line must be an access token and nothing else.',
  })
}

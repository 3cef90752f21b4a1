import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AppError, messageOf, throwIfAborted } from '../util/errors.ts'
import { beginAuthorization, readAnswer, type Authorization } from './authorization.ts'
import type { AuthContext } from './context.ts'
import type { ClientFile, ScopeName } from './credentials.ts'

const TIMEOUT_MS = 5 * 60_000

export interface LoopbackOptions {
  client: ClientFile
  scope: ScopeName
  /** Opens an address in the browser. It handles its own failures. */
  open: (url: string) => void
  timeoutMs?: number
  signal?: AbortSignal
}

/**
 * Opens Google's consent page and waits for the redirect to a server on 127.0.0.1. Rejects answers that belong to
 * another login, and keeps waiting. Always closes the server. Errors: `unauthenticated` when the user refuses or does
 * nothing; `interrupted`.
 */
export async function authorizeInBrowser(
  options: LoopbackOptions,
  context: AuthContext,
): Promise<{ authorization: Authorization; code: string }> {
  const { client, scope, open, timeoutMs = TIMEOUT_MS, signal } = options
  throwIfAborted(signal)
  const server = createServer()
  try {
    const redirectUri = await listen(server, client.redirectUri)
    const authorization = beginAuthorization(client, scope, redirectUri, context)
    const answer = waitForAnswer(server, authorization, timeoutMs, signal)
    open(authorization.url)
    return { authorization, code: await answer }
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

/** Listens on the port of a web client's registered address, else on a free port. Resolves to the redirect address. */
async function listen(server: Server, registered: string | undefined): Promise<string> {
  const port = registered === undefined ? 0 : Number(new URL(registered).port)
  await new Promise<void>((resolve, reject) => {
    server.once('error', error =>
      reject(
        new AppError('io', `No server can be started on 127.0.0.1 for the browser to come back to: ${messageOf(error)}`, {
          hint: 'Run `colab-escape auth login --no-browser`: it needs none.',
          cause: error,
        }),
      ),
    )
    server.listen(port, '127.0.0.1', resolve)
  })
  return registered ?? `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

function waitForAnswer(server: Server, authorization: Authorization, timeoutMs: number, signal: AbortSignal | undefined): Promise<string> {
  const path = new URL(authorization.redirectUri).pathname
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      act()
    }
    const onAbort = (): void => settle(() => reject(interrupted()))
    const timer = setTimeout(() => settle(() => reject(tooLate(timeoutMs))), timeoutMs)
    signal?.addEventListener('abort', onAbort, { once: true })
    server.on('request', (request, response) => {
      const target = request.url ?? '/'
      const url = URL.canParse(target, authorization.redirectUri) ? new URL(target, authorization.redirectUri) : undefined
      // browsers also request an icon
      if (request.method !== 'GET' || url?.pathname !== path || url.search === '') return page(response, 404, 'There is nothing here.')
      const answer = readAnswer(url.searchParams, authorization)
      if (answer === undefined)
        return page(response, 400, 'This page belongs to another login. Use the one that the running command has opened.')
      // settling closes the server, so it must wait until the page is sent
      if (answer.kind === 'refusal') page(response, 403, `The login was refused. ${GO_BACK}`, () => settle(() => reject(answer.error)))
      else page(response, 200, `The answer has arrived. ${GO_BACK}`, () => settle(() => resolve(answer.code)))
    })
  })
}

const GO_BACK = 'You can close this page and go back to colab-escape.'

function page(response: ServerResponse, status: number, text: string, done: () => void = () => undefined): void {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
    connection: 'close',
  })
  response.once('close', done)
  response.end(
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>colab-escape</title>
<body style="font: 1.2rem/1.6 system-ui, sans-serif; max-width: 32rem; margin: 20vh auto; padding: 0 1rem"><h1>colab-escape</h1><p>${text}</p></body></html>\n`,
  )
}

function interrupted(): AppError {
  return new AppError('interrupted', 'Interrupted.', { hint: 'Run `colab-escape auth login` again when you are ready.' })
}

function tooLate(timeoutMs: number): AppError {
  return new AppError('unauthenticated', `No answer came from the browser within ${Math.round(timeoutMs / 60_000)} minutes.`, {
    hint: 'Log in again; with --no-browser where the browser is on another machine.',
  })
}

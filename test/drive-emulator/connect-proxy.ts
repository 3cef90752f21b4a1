import { createServer } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { GOOGLE_HOSTS } from './certificates.ts'

export interface ConnectProxy {
  /** For `HTTPS_PROXY`. */
  url: string
  /** Every `host:port` that was asked for, allowed or not. */
  asked: string[]
  /** The only answer from now on: a status, with its text. */
  refuse: (answer: string) => void
  close: () => Promise<void>
}

/**
 * An HTTP proxy whose every tunnel to one of Google's hosts ends at `port` of this machine; other hosts are refused
 * with 403.
 */
export async function startConnectProxy(port: number): Promise<ConnectProxy> {
  const asked: string[] = []
  const open = new Set<Socket>()
  let refusal: string | undefined
  const server = createServer((_request, response) => {
    response.writeHead(405).end()
  })
  server.on('connect', (request, client: Socket, head: Buffer) => {
    const target = request.url ?? ''
    asked.push(target)
    open.add(client)
    client.on('close', () => open.delete(client))
    client.on('error', () => undefined)
    if (refusal !== undefined) {
      client.end(`HTTP/1.1 ${refusal}\r\n\r\n`)
      return
    }
    if (!GOOGLE_HOSTS.some(host => target === `${host}:443`)) {
      client.end('HTTP/1.1 403 Forbidden\r\n\r\n')
      return
    }
    const upstream = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      upstream.write(head)
      upstream.pipe(client).pipe(upstream)
    })
    upstream.on('error', () => client.destroy())
    upstream.on('close', () => client.destroy())
    client.on('close', () => upstream.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    refuse: answer => {
      refusal = answer
    },
    close: async () => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      for (const socket of open) socket.destroy()
      server.closeAllConnections()
      await closed
    },
  }
}

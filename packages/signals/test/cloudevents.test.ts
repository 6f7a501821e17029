import type { Signal } from '@murmuration/interface'
import { CloudEvent, HTTP, Mode } from 'cloudevents'
import type { Message } from 'cloudevents'
import { describe, expect, it } from 'vitest'
import { fromHttp, fromJSON, toBinaryHttp, toJSON, toStructuredHttp } from '../src/index.ts'

const signal: Signal = {
  specversion: '1.0',
  id: '018bcfe5-6800-7000-8000-000000000001',
  source: '/p2p/12D3KooW',
  type: 'order.created',
  subject: 'Größe 7, "quoted" 100 %',
  time: '2023-11-14T22:13:20.000Z',
  dataschema: 'https://example.com/order',
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  causationid: 'cause',
  comexampletenant: 'blue',
  data: { amount: 12.5, lines: ['a', 'b'], note: null }
}

function messageOf({ body, headers }: { body: Uint8Array; headers: object }): Message {
  // As a server hands it over.
  return { headers: { ...headers }, body: new TextDecoder().decode(body) }
}

function official(message: Message): CloudEvent {
  const event = HTTP.toEvent(message)
  if (Array.isArray(event)) {
    throw new Error('one event was expected')
  }
  return event as CloudEvent
}

/** What its library makes of a message, as we read it. */
function bytesOf(message: Message): { headers: Record<string, string>; body: Uint8Array } {
  const { body } = message
  return {
    headers: Object.fromEntries(
      Object.entries(message.headers).map(([name, value]) => [name, String(value)])
    ),
    body: typeof body === 'string' ? new TextEncoder().encode(body) : (body as Uint8Array)
  }
}

describe('the official library of CloudEvents', () => {
  it('reads what is written in the structured mode', () => {
    const event = official(messageOf(toStructuredHttp(signal)))
    expect(event.toJSON()).toMatchObject(JSON.parse(JSON.stringify(signal)))
    expect(new CloudEvent(toJSON(signal)).validate()).toBe(true)
  })

  it('reads what is written in the binary mode', () => {
    const { subject, ...plain } = signal
    const event = official(messageOf(toBinaryHttp({ ...plain, subject: 'plain' })))
    expect(event.toJSON()).toMatchObject({ ...JSON.parse(JSON.stringify(plain)), subject: 'plain' })
    expect(fromHttp(toBinaryHttp(signal)).subject).toBe(subject)
  })

  it('writes what is read, in both modes', () => {
    const event = new CloudEvent({
      ...signal,
      subject: 'plain',
      datacontenttype: 'application/json'
    })
    for (const mode of [Mode.BINARY, Mode.STRUCTURED]) {
      const message = mode === Mode.BINARY ? HTTP.binary(event) : HTTP.structured(event)
      expect(fromHttp(bytesOf(message))).toMatchObject({
        ...signal,
        subject: 'plain',
        datacontenttype: expect.stringContaining('application/json')
      })
    }
    expect(fromJSON(JSON.stringify(event))).toMatchObject({ ...signal, subject: 'plain' })
  })

  it('carries bytes both ways, whatever their media type', () => {
    const data = Uint8Array.of(0, 255, 128, 10)
    const binary: Signal = { ...signal, subject: 'plain', datacontenttype: 'image/png', data }
    expect(fromHttp(toBinaryHttp(binary)).data).toEqual(data)
    expect(fromHttp(toStructuredHttp(binary)).data).toEqual(data)
    const event = official(messageOf(toStructuredHttp(binary)))
    expect(Buffer.from(event.data_base64 ?? '', 'base64')).toEqual(Buffer.from(data))
    const back = fromHttp(bytesOf(HTTP.structured(event)))
    expect(back.data).toEqual(data)
    expect(back.datacontenttype).toBe('image/png')
  })

  it('keeps extensions that it does not know', () => {
    const event = official(messageOf(toStructuredHttp({ ...signal, counted: 3, marked: true })))
    expect(fromHttp(bytesOf(HTTP.structured(event)))).toMatchObject({ counted: 3, marked: true })
  })
})

describe('the HTTP formats', () => {
  it('read the versions 1.0 and 1.0.x, and write 1.0', () => {
    for (const specversion of ['1.0', '1.0.2']) {
      const read = fromJSON({ ...toJSON(signal), specversion })
      expect(read.specversion).toBe('1.0')
      expect(toBinaryHttp(read).headers['ce-specversion']).toBe('1.0')
    }
    for (const specversion of ['1', '1.1', '0.3', '1.0.', '1.0.x']) {
      expect(() => fromJSON({ ...toJSON(signal), specversion })).toThrow(/specversion/)
    }
  })

  it('carry text, nothing, and values that are false', () => {
    for (const data of ['text', 0, false, null, '']) {
      expect(fromHttp(toBinaryHttp({ ...signal, data })).data).toEqual(data)
    }
    const text: Signal = { ...signal, datacontenttype: 'text/plain', data: 'ä' }
    expect(fromHttp(toBinaryHttp(text))).toMatchObject({ data: 'ä', datacontenttype: 'text/plain' })
    const { data: _, ...bare } = signal
    expect(fromHttp(toBinaryHttp(bare))).toEqual(bare)
  })

  it.each([
    [{ 'content-type': 'application/cloudevents-batch+json' }, '[]'],
    [{ 'content-type': 'application/cloudevents+json' }, '{'],
    [{ 'content-type': 'application/json', 'ce-id': '1' }, '{}'],
    [{ ...toBinaryHttp(signal).headers }, '{'],
    [{ ...toBinaryHttp(signal).headers, 'ce-subject': '%E0%A4%A' }, '{}']
  ])('refuse %j with the body %s', (headers, body) => {
    const message = { headers, body: new TextEncoder().encode(body) }
    expect(() => fromHttp(message)).toThrow(
      expect.objectContaining({ name: 'MalformedMessageError' })
    )
  })

  it('refuse to write data that the content type cannot carry', () => {
    expect(() => toBinaryHttp({ ...signal, datacontenttype: 'image/png', data: { a: 1 } })).toThrow(
      expect.objectContaining({ name: 'InvalidParametersError' })
    )
  })
})

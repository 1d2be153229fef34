/** From a call to what the engine does. */
import type { Engine } from '../engine.ts';
import type { Method } from './calls.ts';
import type { EngineService } from './engine-service.ts';
import type { Call } from './leader.ts';

type Handlers = {
  readonly [M in Method]: (
    service: EngineService,
    args: Parameters<Engine[M]>,
    id: string,
  ) => Awaited<ReturnType<Engine[M]>> | ReturnType<Engine[M]>;
};

const handlers: Handlers = {
  rooms: (service) => service.rooms(),
  create: (service, [{ name, label, passphrase }]) => service.create(name, label, passphrase),
  look: (service, [link]) => service.look(link),
  join: (service, [{ link, name, label, passphrase }]) => service.join(link, name, label, passphrase),
  open: (service, [room]) => service.open(room),
  leave: () => undefined,
  history: (service, [room, before, limit]) => service.history(room, before, limit),
  send: (service, [room, text], id) => service.send(room, text, Uint8Array.fromHex(id)),
  read: (service, [room, seq]) => service.read(room, seq),
  discard: (service, [room, id]) => service.discard(room, id),
  hide: (service, [room, member, hidden]) => service.hide(room, member, hidden),
  rename: (service, [room, label]) => service.rename(room, label),
  invite: (service, [room]) => service.invite(room),
  safetyNumber: (service, [room, member]) => service.safetyNumber(room, member),
  forget: (service, [room]) => service.forget(room),
};

export async function dispatch(service: EngineService, { id, method, args }: Call): Promise<unknown> {
  const handler = handlers[method] as (
    service: EngineService,
    args: readonly unknown[],
    id: string,
  ) => unknown;
  return await handler(service, args, id);
}

/** The client on Node: TCP, TLS and WebSocket, a state directory, the machine's clock. */
import { systemClock } from '../../clock.ts';
import type { Invite } from '../../encryption/invite.ts';
import { ChatClient, type ChatClientOptions } from '../chat-client.ts';
import { type CreateRoomOptions, createRoom } from '../create-room.ts';
import type { ClientEnvironment } from '../environment.ts';
import { dial } from './dial.ts';
import { openState } from './state-directory.ts';

export type NodeEnvironmentOptions = {
  /** Root of the states on disk, created if need be; `defaultStateDirectory()` says the usual one. */
  readonly stateDirectory: string;
  /** Of TLS servers: certificates of authorities to trust besides Node's and the machine's, PEM. */
  readonly ca?: string | undefined;
};

export type NodeClientOptions = ChatClientOptions & NodeEnvironmentOptions;

export function nodeEnvironment({ stateDirectory, ca }: NodeEnvironmentOptions): ClientEnvironment {
  return {
    clock: systemClock,
    fraction: Math.random,
    dial: (server, signal) => dial(server, ca, signal),
    openStore: async (room, name, newSeed) => openState(stateDirectory, room, name, newSeed),
  };
}

/** As `ChatClient.open`. */
export function openNodeClient(options: NodeClientOptions): Promise<ChatClient> {
  return ChatClient.open(options, nodeEnvironment(options));
}

/** As `createRoom`. */
export function createRoomOnNode({
  ca,
  ...options
}: CreateRoomOptions & { readonly ca?: string }): Promise<Invite> {
  return createRoom(options, { clock: systemClock, dial: (server, signal) => dial(server, ca, signal) });
}

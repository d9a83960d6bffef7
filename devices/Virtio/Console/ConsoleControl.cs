using System.Buffers.Binary;
using Vmm.Devices.Virtio.Queue;
using static Vmm.Devices.Virtio.Console.VirtioConsoleRegisters;

namespace Vmm.Devices.Virtio.Console;

/// <summary>
/// The control channel (virtio 1.2 §5.3.6.2). What the driver is to be told stands as bits at each port, so a driver that takes nothing costs
/// nothing; the values are those of the moment of telling. All on the worker.
/// </summary>
internal sealed class ConsoleControl(ConsolePort[] ports)
{
    private const int MostMessagesAtOnce = 128;

    private VirtChain? _fromDriver, _toDriver;

    /// <summary>Takes the driver's messages, then tells it the news.</summary>
    /// <returns>True when there may be more messages.</returns>
    public bool Serve(VirtQueue toDriver, VirtQueue fromDriver)
    {
        bool mayBeMore = Take(fromDriver);
        Tell(toDriver);
        return mayBeMore;
    }

    private bool Take(VirtQueue queue)
    {
        VirtChain chain = _fromDriver ??= queue.NewChain();
        Span<byte> message = stackalloc byte[ControlBytes];
        for (int served = 0; served < MostMessagesAtOnce; served++)
        {
            if (!queue.TryPop(chain)) return false;
            if (chain.TryRead(0, message)) Obey(message);
            queue.Push(chain, 0);
            queue.Signal();
        }

        return true;
    }

    private void Obey(ReadOnlySpan<byte> message)
    {
        uint id = BinaryPrimitives.ReadUInt32LittleEndian(message);
        VirtioConsoleEvent what = (VirtioConsoleEvent)BinaryPrimitives.ReadUInt16LittleEndian(message[ControlEvent..]);
        bool value = BinaryPrimitives.ReadUInt16LittleEndian(message[ControlValue..]) != 0;
        if (what == VirtioConsoleEvent.VIRTIO_CONSOLE_DEVICE_READY)
        {
            // Zero says that the driver could not set itself up: then there is nobody to tell.
            foreach (ConsolePort port in ports)
            {
                if (value) port.Announce();
            }

            return;
        }

        if (id >= (uint)ports.Length) return;
        if (what == VirtioConsoleEvent.VIRTIO_CONSOLE_PORT_READY) ports[id].SetReady(value);
        else if (what == VirtioConsoleEvent.VIRTIO_CONSOLE_PORT_OPEN) ports[id].SetGuestOpen(value);
    }

    private void Tell(VirtQueue queue)
    {
        VirtChain chain = _toDriver ??= queue.NewChain();
        foreach (ConsolePort port in ports)
        {
            while (port.News is var news and not ConsoleNews.None)
            {
                if (!queue.TryPop(chain)) return;
                ConsoleNews next = (ConsoleNews)((int)news & -(int)news);
                // Before the value is read: a change meanwhile is told again.
                port.Told(next);
                queue.Push(chain, Write(chain, port, next));
                queue.Signal();
            }
        }
    }

    /// <returns>Bytes written; nothing where the driver has no room for a message.</returns>
    private static uint Write(VirtChain chain, ConsolePort port, ConsoleNews news)
    {
        Span<byte> message = stackalloc byte[ControlBytes + VirtioConsolePort.MostNameBytes];
        (VirtioConsoleEvent what, bool value) = news switch
        {
            ConsoleNews.Added => (VirtioConsoleEvent.VIRTIO_CONSOLE_DEVICE_ADD, true),
            ConsoleNews.IsConsole => (VirtioConsoleEvent.VIRTIO_CONSOLE_CONSOLE_PORT, true),
            ConsoleNews.Name => (VirtioConsoleEvent.VIRTIO_CONSOLE_PORT_NAME, true),
            ConsoleNews.Size => (VirtioConsoleEvent.VIRTIO_CONSOLE_RESIZE, true),
            _ => (VirtioConsoleEvent.VIRTIO_CONSOLE_PORT_OPEN, port.IsHostOpen),
        };
        BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)port.Index);
        BinaryPrimitives.WriteUInt16LittleEndian(message[ControlEvent..], (ushort)what);
        BinaryPrimitives.WriteUInt16LittleEndian(message[ControlValue..], (ushort)(value ? 1 : 0));
        int count = ControlBytes;
        if (news == ConsoleNews.Name)
        {
            port.Name.CopyTo(message[ControlBytes..]);
            count += port.Name!.Length;
        }
        else if (news == ConsoleNews.Size)
        {
            // Columns, then rows. Kernels before 6.15 without the fix of 2025 read them the other way round.
            BinaryPrimitives.WriteUInt32LittleEndian(message[ControlBytes..], port.Size);
            count += sizeof(uint);
        }

        return chain.TryWrite(0, message[..count]) ? (uint)count : 0;
    }
}

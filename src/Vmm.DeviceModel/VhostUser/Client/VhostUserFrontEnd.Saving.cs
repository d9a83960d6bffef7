using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using Vmm.Core.State;
using Vmm.DeviceModel.VhostUser.Messages;
using Vmm.Host;

namespace Vmm.DeviceModel.VhostUser.Client;

/// <content>What another front end, in another process, must know to go on with the device.</content>
public sealed partial class VhostUserFrontEnd
{
    private const int MostAccountBytes = 16 << 20;

    // For the next account that a back end makes; the control thread takes it.
    private byte[]? _restoredAccount;

    // At the start of a disk's configuration (virtio 1.2 §5.2.4).
    private ulong Sectors => _options.Kind == VhostUserKind.Block ? BinaryPrimitives.ReadUInt64LittleEndian(_config) : 0;

    internal VhostUserDeviceState Save()
    {
        lock (_gate)
        {
            if (Array.Exists(_rings, ring => ring.IsOwed)) throw new StateException("requests are under way");
            if (Array.Exists(_rings, ring => ring.IsLost)) throw new StateException("the back end died and kept no account of what it had begun");
            ushort[] offsets = [.. Enumerable.Range(0, _config.Length).Where(i => _isWritten[i]).Select(i => (ushort)i)];
            return new() { WrittenOffsets = offsets, Written = [.. offsets.Select(i => _config[i])], Sectors = Sectors, Account = _restoredAccount ?? ReadAccount() };
        }
    }

    internal void Restore(VhostUserDeviceState state)
    {
        bool isPossible = state.Version == VhostUserDeviceState.CurrentVersion && state.WrittenOffsets.Length == state.Written.Length
            && state.WrittenOffsets.All(offset => offset < _config.Length) && state.Account.Length <= MostAccountBytes;
        if (!isPossible) throw new StateException($"{Profile.Name}: state version {state.Version} cannot be restored");
        if (state.Sectors != Sectors) throw new StateException($"{Profile.Name}: the disk's size was {state.Sectors} sectors and is {Sectors}");
        lock (_gate)
        {
            for (int i = 0; i < state.Written.Length; i++)
            {
                _config[state.WrittenOffsets[i]] = state.Written[i];
                _isWritten[state.WrittenOffsets[i]] = true;
            }

            _isConfigWritten = state.Written.Length != 0;
            _restoredAccount = state.Account.Length == 0 ? null : state.Account;
            // The last interrupt may have been on its way.
            foreach (FrontRing ring in _rings) ring.MustCall = true;
            Wake();
        }
    }

    private byte[] ReadAccount()
    {
        if (_inflight is not { } account || account.Description.SizeBytes > MostAccountBytes) return [];
        byte[] bytes = new byte[account.Description.SizeBytes];
        using SafeFileHandle file = new(account.File.Fd, ownsHandle: false);
        int count = RandomAccess.Read(file, bytes, (long)account.Description.Offset);
        return count == bytes.Length ? bytes : throw new StateException("the account of requests cannot be read");
    }

    /// <summary>On the control thread: an account that was just made becomes the one that was restored.</summary>
    private void AdoptAccount((InflightDescription Description, LinuxFile File) account)
    {
        byte[]? restored;
        lock (_gate) (restored, _restoredAccount) = (_restoredAccount, null);
        if (restored is null) return;
        if ((ulong)restored.Length != account.Description.SizeBytes)
        {
            _note("the back end is of another kind than the one that was saved, and does not know what the driver has chosen");
            return;
        }

        using SafeFileHandle file = new(account.File.Fd, ownsHandle: false);
        RandomAccess.Write(file, restored, (long)account.Description.Offset);
    }
}

using System.Text;
using Microsoft.Win32.SafeHandles;
using Vmm.Core.Hypervisor;
using Vmm.Core.State;
using Vmm.Machine.Config;
using Vmm.Machine.Devices;
using Vmm.Machine.Snapshot;

namespace Vmm.Machine;

/// <content>Saving a machine to a file, from which another process can go on with it.</content>
public sealed partial class GuestMachine
{
    private const string DraftSuffix = ".part";
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>
    /// Writes the whole machine but what its disks hold to a file; one that is there is replaced when all is written. The guest stands still
    /// meanwhile, and goes on afterwards where it is not to end, or could not be saved.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="owner">What whoever goes on with it wants to know, see <see cref="SnapshotReader.Owner"/>.</param>
    /// <param name="ends">The guest ends as soon as it is saved, without another instruction: what it writes later would not be in the file.</param>
    /// <param name="progress">Told which part of memory is written.</param>
    /// <exception cref="StateException">A device cannot be saved now, and why.</exception>
    /// <exception cref="HypervisorException">A vCPU cannot be read, or the machine has ended.</exception>
    /// <exception cref="OperationCanceledException">The machine was stopped meanwhile.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    /// <exception cref="Host.LinuxException">Memory cannot be read.</exception>
    public SaveReport Save(string path, ReadOnlyMemory<byte> owner, bool ends, Action<double>? progress = null)
    {
        lock (_looking)
        {
            FinishRemovals();
            MachineParts parts = HoldParts();
            bool isSaved = false;
            try
            {
                SaveReport report = Write(path, owner, parts, progress);
                isSaved = true;
                return report;
            }
            finally
            {
                if (isSaved && ends) Stop($"saved to {path}");
                lock (_life)
                {
                    if (--_holds == 0 && !_paused && _isLive && Volatile.Read(ref _stop) is null) _board?.Resume();
                }
            }
        }
    }

    private sealed record MachineParts(byte[] Config, SnapshotManifest Manifest, IReadOnlyList<StateNode> Nodes, IReadOnlyList<SavedVcpu> Vcpus);

    private SaveReport Write(string path, ReadOnlyMemory<byte> owner, MachineParts parts, Action<double>? progress)
    {
        string draft = path + DraftSuffix;
        File.Delete(draft);
        try
        {
            SnapshotWriter writer;
            using (SafeFileHandle file = File.OpenHandle(draft, FileMode.CreateNew, FileAccess.Write))
            {
                File.SetUnixFileMode(file, Private);
                writer = new SnapshotWriter(file);
                writer.Begin();
                writer.Write(SnapshotRecord.Owner, owner.Span);
                writer.Write(SnapshotRecord.Config, parts.Config);
                writer.Write(SnapshotRecord.Manifest, System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(parts.Manifest, SnapshotJson.Default.SnapshotManifest));
                foreach (StateNode node in parts.Nodes) writer.Write(node);
                foreach (SavedVcpu vcpu in parts.Vcpus) writer.Write(SnapshotRecord.Vcpu, System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(vcpu, SnapshotJson.Default.SavedVcpu));
                writer.WriteMemory(_memory, progress, () => Volatile.Read(ref _stop) is not null);
                writer.End();
                RandomAccess.FlushToDisk(file);
            }

            File.Move(draft, path, overwrite: true);
            return new SaveReport(writer.Length, writer.MemoryBytes);
        }
        catch
        {
            File.Delete(draft);
            throw;
        }
    }

    /// <summary>Stops the guest and takes everything but memory out; memory stays as it is until the hold ends.</summary>
    private MachineParts HoldParts()
    {
        lock (_life)
        {
            if (_board is not { } board || !_isLive && _lastVcpus is not null) throw new HypervisorException("the guest has ended");
            if (board.Pci?.WithdrawnSlots.Any() == true) throw new StateException("a device was taken away by force, and the guest has not let go of it yet");
            bool runs = _isLive && !_paused && _holds == 0;
            if (runs) board.Pause();
            _holds++;
            try
            {
                return Take(board);
            }
            catch
            {
                if (--_holds == 0 && runs) board.Resume();
                throw;
            }
        }
    }

    private MachineParts Take(Board board)
    {
        // Devices, interrupt chips and then vCPUs: what a device does last, these still see.
        IReadOnlyList<StateNode> nodes = board.States.Save();
        VcpuState[] states = board.CaptureVcpus();
        ulong tscHz = 0;
        board.Vcpus[0].Execute(vcpu => tscHz = _platform.TscHz(vcpu));
        SnapshotManifest manifest = new()
        {
            Cpu = _platform.Name,
            TscHz = tscHz,
            ClockNs = board.Clock.NowNs,
            UtcTicks = board.Clock.UtcNow.UtcTicks,
            ParavirtualClockNs = _platform.ParavirtualClockNs(board),
            Boots = Math.Max(1, _boots),
            Vcpus = states.Length,
            MemoryBytes = _config.MemoryBytes,
            Devices = [.. _attachments.All.Select(d => new SavedDevice { Id = d.Id, Kind = d.Config.Kind, Slot = d.Slot, IsLeaving = d.IsLeaving })],
        };
        MachineConfig config = _config.WithDevices([.. _attachments.All.Select(d => d.Config)]);
        return new MachineParts(Encoding.UTF8.GetBytes(ConfigJson.Format(config)), manifest, nodes, [.. states.Select((state, i) => SavedVcpu.Of(state, _platform.CpuidOf(i)))]);
    }

    /// <summary>The networks learn where the guest is now. Once, when a restored guest begins to run. Under the life-cycle lock.</summary>
    private void Announce()
    {
        _isRestored = false;
        foreach (INetAttachment net in _attachments.All.Select(d => d.Attachment).OfType<INetAttachment>()) net.Announce();
    }
}

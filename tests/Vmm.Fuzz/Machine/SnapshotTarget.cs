using System.Buffers.Binary;
using Vmm.Core.Hypervisor;
using Vmm.Core.State;
using Vmm.Host;
using Vmm.Machine;
using Vmm.Machine.Config;
using Vmm.Machine.Snapshot;
using Vmm.TestKit;

namespace Vmm.Fuzz.Machine;

/// <summary>
/// The file of a saved domain: always a machine that can begin to run, or one line that says why not. The sums of the records are made
/// right first, else nothing behind the first of them would ever be reached. The configuration is the target's own: that of a file names files.
/// </summary>
public sealed class SnapshotTarget : IFuzzTarget
{
    private const int MostRecords = 4096;

    /// <inheritdoc/>
    public string Name => "snapshot";

    /// <inheritdoc/>
    public int LeastInputs => 5;

    /// <inheritdoc/>
    public void Run(ReadOnlySpan<byte> input)
    {
        try
        {
            Restore(WithSums(input.ToArray()));
        }
        catch (Exception e) when (e is StateException or HypervisorException)
        {
            if (e.Message.Contains('\n', StringComparison.Ordinal)) throw new InvalidOperationException("more than one line", e);
        }
    }

    /// <summary>Has a machine go on from a file's bytes, for a moment.</summary>
    public static void Restore(byte[] file)
    {
        string folder = Directory.CreateTempSubdirectory("vmm-fuzz").FullName;
        try
        {
            string path = Path.Combine(folder, "saved");
            File.WriteAllBytes(path, file);
            TinyKernel.WritePvh(Path.Combine(folder, "kernel"), code => code.hlt());
            Restore(path, Config(folder));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The machine whose files the seeds are.</summary>
    public static MachineConfig Config(string folder) => new()
    {
        Accel = Accelerator.Software,
        MemoryBytes = 4 << 20,
        Boot = new BootConfig { Kernel = Path.Combine(folder, "kernel") },
        Serial = [new SerialConfig(SerialKind.Null)],
        Rngs = [new RngConfig { Id = "r" }],
        Balloons = [new BalloonConfig { Id = "b" }],
        OnReboot = RebootPolicy.Exit,
    };

    /// <summary>Makes a seed.</summary>
    public static byte[] MakeSeed()
    {
        string folder = Directory.CreateTempSubdirectory("vmm-fuzz").FullName;
        try
        {
            TinyKernel.WritePvh(Path.Combine(folder, "kernel"), code => code.hlt());
            using EpollLoop loop = new("fuzz loop", _ => { });
            using GuestMachine machine = new(Config(folder), new MachineHost(loop, _ => { }, () => { }));
            machine.Save(Path.Combine(folder, "saved"), default, ends: true);
            return File.ReadAllBytes(Path.Combine(folder, "saved"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Restore(string path, MachineConfig config)
    {
        using SnapshotReader saved = SnapshotReader.Open(path);
        using EpollLoop loop = new("fuzz loop", _ => { });
        using GuestMachine machine = new(config, new MachineHost(loop, _ => { }, () => { }), saved);
        Task run = Task.Run(machine.Run);
        Thread.Sleep(1);
        machine.Stop("enough");
        run.Wait();
    }

    private static byte[] WithSums(byte[] file)
    {
        long at = SnapshotFormat.Magic.Length;
        for (int i = 0; i < MostRecords && at + SnapshotFormat.RecordHeaderBytes <= file.Length; i++)
        {
            Span<byte> record = file.AsSpan((int)at, SnapshotFormat.RecordHeaderBytes);
            ulong length = BinaryPrimitives.ReadUInt64LittleEndian(record[8..]);
            at += SnapshotFormat.RecordHeaderBytes;
            if (length > (ulong)(file.Length - at)) break;
            BinaryPrimitives.WriteUInt32LittleEndian(record[4..], SnapshotWriter.SumOf(record, [], file.AsSpan((int)at, (int)length)));
            at += (long)length;
        }

        return file;
    }
}

using System.Diagnostics;
using System.Text.Json;
using Vmm.TestKit;

namespace Vmm.Guest.Tests.CommandLine;

/// <summary>The verbs of <c>vmm image</c> as a user meets them: exit codes, output, JSON, errors in one line.</summary>
public sealed class ImageVerbTests : IDisposable
{
    private const int Done = 0, Failed = 1;
    private const int CheckCorrupt = 2, CheckLeaks = 3, CheckNothing = 63;
    private const int CompareDifferent = 1, CompareCannot = 2;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly string _folder = Directory.CreateTempSubdirectory("vmm-image-verbs").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [ExecutableTheory]
    [InlineData("raw", "")]
    [InlineData("qcow2", "-o cluster_size=4K,compression_type=zstd")]
    [InlineData("qcow2", "-o preallocation=metadata")]
    [InlineData("vpc", "-o force_size=on")]
    [InlineData("vpc", "-o subformat=fixed,force_size")]
    [InlineData("vhd", "-o force_size=on")]
    [InlineData("vmdk", "")]
    [InlineData("vmdk", "-o zeroed_grain=on")]
    public void Create_EveryFormat_MakesAnImageOfTheSize(string format, string options)
    {
        Assert.Equal("", Vmm(Done, $"create -f {format} {options} disk 3M"));
        using JsonDocument info = JsonDocument.Parse(Vmm(Done, $"info -f {format} --json disk"));
        Assert.Equal(3 << 20, info.RootElement.GetProperty("virtual-size").GetInt64());
        Assert.Equal(format == "vhd" ? "vpc" : format, info.RootElement.GetProperty("format").GetString());
        Assert.Contains("disk size:", Vmm(Done, $"info -f {format} disk"), StringComparison.Ordinal);
        Vmm(format == "raw" ? CheckNothing : Done, $"check -f {format} disk");
    }

    [ExecutableTheory]
    [InlineData("create -f qcow2 disk", Failed, "a size is needed")]
    [InlineData("create -f qcow2 disk many", Failed, "'many' is no size")]
    [InlineData("create -f qcow2 disk 9999999T", Failed, "too large")]
    [InlineData("create disk 1M", Failed, "--format")]
    [InlineData("create -f vhdx disk 1M", Failed, "'vhdx' is not supported")]
    [InlineData("create -f ext4 disk 1M", Failed, "'ext4' is no image format")]
    [InlineData("create -f qcow2 -o cluster_size=3K disk 1M", Failed, "power of two")]
    [InlineData("create -f qcow2 -o encryption=on disk 1M", Failed, "'encryption' is not supported here")]
    [InlineData("create -f qcow2 -o fast=on disk 1M", Failed, "no option 'fast'")]
    [InlineData("create -f qcow2 -o preallocation=some disk 1M", Failed, "'some' is no value for preallocation; off, metadata, falloc, full are")]
    [InlineData("create -f qcow2 -b below disk 1M", Failed, "format of the backing file must be said")]
    [InlineData("create -f qcow2 -b below -F raw disk 1M", Failed, "below")]
    [InlineData("create -f raw -o cluster_size=4K disk 1M", Failed, "no options")]
    [InlineData("create -f vpc -o subformat=thick disk 1M", Failed, "'thick' is no value for subformat; dynamic, fixed are")]
    [InlineData("create -f vpc disk 3T", Failed, "at most 2040 GiB")]
    [InlineData("create -f vmdk -o subformat=streamOptimized disk 1M", Failed, "vmm image convert")]
    [InlineData("create -f qcow2 /no/such/folder/disk 1M", Failed, "/no/such/folder/disk")]
    [InlineData("info -f qcow2 missing", Failed, "missing: No such file")]
    [InlineData("info -f qcow2 noise", Failed, "noise is no qcow2 image")]
    [InlineData("info -f vpc noise", Failed, "noise is no VHD image")]
    [InlineData("info -f vmdk noise", Failed, "noise is no VMDK image")]
    [InlineData("check -f qcow2 noise", Failed, "noise is no qcow2 image")]
    [InlineData("check -f raw noise", CheckNothing, "nothing to check")]
    [InlineData("check -f qcow2 --repair some noise", Failed, "'some' is none of leaks, all")]
    [InlineData("map -f qcow2 noise", Failed, "noise is no qcow2 image")]
    [InlineData("compare -f raw -F qcow2 noise noise", CompareCannot, "noise is no qcow2 image")]
    [InlineData("convert -f raw -O raw -c noise out", Failed, "no compression")]
    [InlineData("convert -f raw -O vpc -c noise out", Failed, "no compression")]
    [InlineData("convert -f raw -O qcow2 -o backing_file=x noise out", Failed, "no backing file")]
    [InlineData("convert -f raw -O qcow2 -l one noise out", Failed, "no snapshots")]
    [InlineData("resize -f raw noise 1K", Failed, "--shrink")]
    [InlineData("snapshot -f raw -c one noise", Failed, "no snapshots")]
    [InlineData("commit -f raw noise", Failed, "no backing file")]
    [InlineData("compare -f raw -F raw noise", CompareCannot, "SECOND")]
    [InlineData("check -f qcow2 --hard noise", Failed, "Unrecognized")]
    [InlineData("resize -f raw --shrink noise -1M", Failed, "less than what is to be taken away")]
    [InlineData("polish noise", Failed, "'polish' is no verb: create, info")]
    public void Verb_BadInput_SaysWhatIsWrongInOneLine(string arguments, int code, string expected)
    {
        byte[] noise = new byte[65536];
        new Random(1).NextBytes(noise);
        File.WriteAllBytes(Path.Combine(_folder, "noise"), noise);
        (string output, string errors) = Run(code, arguments);
        string[] lines = errors.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.StartsWith("vmm: error: ", lines[0], StringComparison.Ordinal);
        Assert.Contains(expected, lines[0], StringComparison.Ordinal);
        Assert.All(lines.Skip(1), line => Assert.StartsWith("Try ", line, StringComparison.Ordinal));
        Assert.Equal("", output);
        Assert.True(File.ReadAllBytes(Path.Combine(_folder, "noise")).AsSpan().SequenceEqual(noise));
    }

    [ExecutableTheory]
    [InlineData("raw", "")]
    [InlineData("qcow2", "-c")]
    [InlineData("qcow2", "-c -o compression_type=zstd --sync")]
    [InlineData("vpc", "-o force_size=on")]
    [InlineData("vpc", "-o subformat=fixed,force_size=on")]
    [InlineData("vmdk", "")]
    [InlineData("vmdk", "-o subformat=streamOptimized")]
    public void Convert_ThereAndBack_HoldsTheSameAndShowsNoBar(string format, string options)
    {
        byte[] content = MakeContent("raw");
        (string output, string errors) = Run(Done, $"convert -f raw -O {format} {options} raw disk");
        Assert.Equal("", output + errors);
        Assert.Equal("the disks hold the same", Vmm(Done, $"compare -f raw -F {format} raw disk").Trim());
        Vmm(Done, $"convert -f {format} -O raw disk back");
        Assert.True(File.ReadAllBytes(Path.Combine(_folder, "back")).AsSpan().SequenceEqual(content));
        using JsonDocument map = JsonDocument.Parse(Vmm(Done, $"map -f {format} --json disk"));
        Assert.Equal(content.Length, map.RootElement.EnumerateArray().Sum(p => p.GetProperty("length").GetInt64()));
        Assert.Contains(map.RootElement.EnumerateArray(), p => p.GetProperty("data").GetBoolean());
        Assert.Contains(map.RootElement.EnumerateArray(), p => p.GetProperty("zero").GetBoolean());
    }

    [ExecutableTheory]
    [InlineData("convert -f raw -O qcow2 raw disk")]
    [InlineData("compare -f raw -F raw raw raw")]
    public void LongWork_OnATerminal_ShowsABarAndTakesItAway(string arguments)
    {
        MakeContent("raw");
        (int code, string output, _) = Execute("script", ["-qefc", $"{Repository.Vmm} image {arguments}", "/dev/null"]);
        Assert.Equal(Done, code);
        Assert.Matches(@"\r\[#+ *\] +[0-9]+\.[0-9] %", output);
        Assert.Matches(@"\r +\r", output);
    }

    [ExecutableTheory]
    [InlineData("qcow2", "raw")]
    [InlineData("qcow2", "vmdk")]
    [InlineData("vpc", "vpc")]
    [InlineData("vmdk", "vmdk")]
    public void Backing_MadeReadAndCommitted(string format, string below)
    {
        MakeContent("raw");
        Vmm(Done, $"convert -f raw -O {below} {(below == "vpc" ? "-o force_size=on" : "")} raw below");
        Vmm(Done, $"create -f {format} -b below -F {below} top");
        (_, string errors) = Run(CompareCannot, $"compare -f raw -F {format} raw top");
        Assert.Contains("must be allowed", errors, StringComparison.Ordinal);
        Vmm(Done, $"compare -f raw -F {format} --backing raw top");
        using JsonDocument info = JsonDocument.Parse(Vmm(Done, $"info -f {format} --json top"));
        Assert.Equal("below", info.RootElement.GetProperty("backing-filename").GetString());
        Assert.Equal(below, info.RootElement.GetProperty("backing-filename-format").GetString());
        Vmm(Done, $"commit -f {format} top");
        Vmm(Done, $"compare -f raw -F {below} raw below");
    }

    [ExecutableTheory]
    [InlineData("raw")]
    [InlineData("qcow2")]
    [InlineData("vpc")]
    public void Resize_UpAndDown_NeedsAWordToShrink(string format)
    {
        Vmm(Done, $"create -f {format} {(format == "vpc" ? "-o force_size=on" : "")} disk 3M");
        Vmm(Done, $"resize -f {format} disk +2M");
        Run(Failed, $"resize -f {format} disk 1M");
        Run(Failed, $"resize -f {format} disk -1M");
        Vmm(Done, $"resize -f {format} --shrink disk -1M");
        Vmm(Done, $"resize -f {format} --shrink disk 1M");
        using JsonDocument info = JsonDocument.Parse(Vmm(Done, $"info -f {format} --json disk"));
        Assert.Equal(1 << 20, info.RootElement.GetProperty("virtual-size").GetInt64());
    }

    [ExecutableTheory]
    [InlineData("qcow2")]
    public void Snapshot_CreatedListedAppliedDeleted(string format)
    {
        Vmm(Done, $"create -f {format} disk 3M");
        Vmm(Done, $"snapshot -f {format} -c before disk");
        Assert.Contains("before", Vmm(Done, $"snapshot -f {format} -l disk"), StringComparison.Ordinal);
        using (JsonDocument list = JsonDocument.Parse(Vmm(Done, $"snapshot -f {format} --json disk")))
            Assert.Equal("before", list.RootElement[0].GetProperty("name").GetString());
        Vmm(Done, $"snapshot -f {format} -a before disk");
        Vmm(Done, $"snapshot -f {format} -d before disk");
        Run(Failed, $"snapshot -f {format} -d before disk");
        Run(Failed, $"snapshot -f {format} -c a -d b disk");
    }

    [ExecutableTheory]
    [InlineData("--repair leaks", 0xff, CheckLeaks, Done)]
    [InlineData("--repair all", 0x00, CheckCorrupt, Done)]
    public void Check_DamagedRefcounts_AreSaidAndMended(string repair, byte value, int found, int after)
    {
        MakeContent("raw");
        Vmm(Done, "convert -f raw -O qcow2 -o refcount_bits=8 raw disk");
        string path = Path.Combine(_folder, "disk");
        byte[] bytes = File.ReadAllBytes(path);
        // The first refcount block is the third cluster; counts of 8 bits; the fourteenth cluster holds data, or nothing.
        int at = 2 * 65536 + (value == 0 ? 13 : 60_000);
        bytes[at] = value == 0 ? value : (byte)1;
        File.WriteAllBytes(path, bytes);
        Vmm(found, "check -f qcow2 disk");
        using (JsonDocument result = JsonDocument.Parse(Vmm(found, "check -f qcow2 --json disk")))
            Assert.Equal(1, result.RootElement.GetProperty(found == CheckLeaks ? "leaks" : "corruptions").GetInt64());
        Vmm(after, $"check -f qcow2 {repair} disk");
        Assert.Contains("no errors", Vmm(Done, "check -f qcow2 disk"), StringComparison.Ordinal);
        Vmm(Done, "compare -f raw -F qcow2 raw disk");
    }

    [ExecutableTheory]
    [InlineData("", Done, "the same")]
    [InlineData("-s", CompareDifferent, "sizes differ")]
    public void Compare_LongerByZeros_DiffersOnlyWhenStrict(string option, int code, string expected)
    {
        MakeContent("a");
        File.Copy(Path.Combine(_folder, "a"), Path.Combine(_folder, "b"));
        using (FileStream b = File.OpenWrite(Path.Combine(_folder, "b"))) b.SetLength(b.Length + 4096);
        Assert.Contains(expected, Vmm(code, $"compare {option} -f raw -F raw a b"), StringComparison.Ordinal);
        using (FileStream b = File.OpenWrite(Path.Combine(_folder, "b")))
        {
            b.Position = 12_345;
            b.WriteByte((byte)(b.Position + 77));
        }

        Assert.Contains("differ", Vmm(CompareDifferent, $"compare {option} -f raw -F raw a b"), StringComparison.Ordinal);
    }

    /// <summary>Where qemu-img has an exit code for it, ours is the same: good, different, damaged, missing.</summary>
    [ExecutableTheory]
    [InlineData("check -f qcow2 good")]
    [InlineData("check -f qcow2 leak")]
    [InlineData("check -f qcow2 -r leaks leak")]
    [InlineData("check -f qcow2 damaged")]
    [InlineData("check -f qcow2 missing")]
    [InlineData("check -f qcow2 raw")]
    [InlineData("check -f raw raw")]
    [InlineData("compare -f raw -F qcow2 raw good")]
    [InlineData("compare -f raw -F raw raw other")]
    [InlineData("compare -f raw -F qcow2 raw damaged")]
    [InlineData("compare -f raw -F qcow2 raw missing")]
    [InlineData("convert -f qcow2 -O raw good out")]
    [InlineData("convert -f qcow2 -O raw damaged out")]
    [InlineData("convert -f qcow2 -O raw missing out")]
    [InlineData("map -f qcow2 good")]
    [InlineData("map -f qcow2 damaged")]
    [InlineData("info -f qcow2 raw")]
    [InlineData("resize -f qcow2 good 16M")]
    [InlineData("resize -f qcow2 good 1M")]
    [InlineData("resize -f qcow2 --shrink good -1M")]
    [InlineData("commit -f qcow2 good")]
    [InlineData("create -f qcow2 -b missing -F raw out 1M")]
    public void Verb_AnyInput_EndsAsQemusDoes(string arguments)
    {
        byte[] content = MakeContent("raw");
        content[^1] ^= 1;
        File.WriteAllBytes(Path.Combine(_folder, "other"), content);
        Vmm(Done, "convert -f raw -O qcow2 raw good");
        byte[] good = File.ReadAllBytes(Path.Combine(_folder, "good"));
        const int ClusterBytes = 65536, RefcountBlock = 2, RefcountBytes = 2;
        // A cluster more in use than anything knows of, and a first table that leads nowhere.
        byte[] leak = [.. good, .. new byte[ClusterBytes]];
        leak[RefcountBlock * ClusterBytes + RefcountBytes * (good.Length / ClusterBytes) + 1] = 1;
        File.WriteAllBytes(Path.Combine(_folder, "leak"), leak);
        int firstTable = (int)System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(good.AsSpan(40));
        good.AsSpan(firstTable, sizeof(ulong)).Fill(0xff);
        File.WriteAllBytes(Path.Combine(_folder, "damaged"), good);
        foreach (string file in Directory.GetFiles(_folder)) File.Copy(file, $"{file}.kept");
        int theirs = Execute("qemu-img", arguments.Split(' ')).Code;
        foreach (string kept in Directory.GetFiles(_folder, "*.kept")) File.Copy(kept, kept[..^".kept".Length], overwrite: true);
        Run(theirs, arguments);
    }

    private byte[] MakeContent(string name)
    {
        byte[] content = new byte[8 << 20];
        Random random = new(3);
        random.NextBytes(content.AsSpan(0, 300_000));
        content.AsSpan(1 << 20, 600_000).Fill(7);
        random.NextBytes(content.AsSpan(7 << 20, 1 << 20));
        File.WriteAllBytes(Path.Combine(_folder, name), content);
        return content;
    }

    private string Vmm(int code, string arguments)
    {
        (string output, string errors) = Run(code, arguments);
        Assert.True(errors.Length == 0 || code != Done || errors.StartsWith("vmm: ", StringComparison.Ordinal), errors);
        return output;
    }

    private (string Output, string Errors) Run(int code, string arguments)
    {
        (int ended, string output, string errors) = Execute(Repository.Vmm, ["image", .. arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
        Assert.True(ended == code, $"vmm image {arguments}: {ended}, not {code}\n{output}{errors}");
        return (output, errors);
    }

    private (int Code, string Output, string Errors) Execute(string program, string[] words)
    {
        ProcessStartInfo start = new(program, words) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = _folder };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(Patience), $"{program} {string.Join(' ', words)} does not end");
        return (process.ExitCode, output, errors.Result);
    }
}

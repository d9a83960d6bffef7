using System.Buffers.Binary;
using System.Text;
using Vmm.TestKit;

namespace Vmm.Devices.Virtio.Tests.P9;

/// <summary>A small 9P2000.L client on a virtqueue. Errors of the server come back as negative numbers.</summary>
internal sealed class P9Client(VirtioDriver.Ring ring)
{
    public const uint NoFid = uint.MaxValue;
    public const int ENOENT = 2, EBADF = 9, EEXIST = 17, EXDEV = 18, ENOTDIR = 20, EINVAL = 22, ENFILE = 23, EROFS = 30, ENAMETOOLONG = 36, ENOTEMPTY = 39;
    public const int ELOOP = 40, ENODATA = 61, EPROTO = 71, EMSGSIZE = 90, ENXIO = 6, EPERM = 1, EOPNOTSUPP = 95, ESTALE = 116;

    private const byte Rlerror = 7;

    /// <summary>What stood behind the header of the last answer.</summary>
    public byte[] Body { get; private set; } = [];

    public VirtioDriver.Ring Ring => ring;

    /// <summary>Sends a message.</summary>
    /// <returns>0 or the negative error.</returns>
    public int Call(P9Message message, int room = 8192)
    {
        byte[] bytes = message.ToArray();
        (byte[] answer, uint length) = ring.Request([bytes], [room]);
        Assert.InRange(length, 7u, (uint)room);
        Assert.Equal(length, BinaryPrimitives.ReadUInt32LittleEndian(answer));
        Assert.Equal(bytes[5..7], answer[5..7]);
        Body = answer[7..(int)length];
        if (answer[4] == Rlerror) return -BinaryPrimitives.ReadInt32LittleEndian(Body);
        Assert.Equal(bytes[4] + 1, answer[4]);
        return 0;
    }

    public int Version(uint bytes = 65536, string version = "9P2000.L") => Call(new P9Message(100, 0xffff).Double(bytes).Text(version));

    public int Attach(uint fid, uint uid = 0) => Call(new P9Message(104).Double(fid).Double(NoFid).Text("").Text("").Double(uid));

    public int Walk(uint fid, uint newFid, params string[] names)
    {
        P9Message message = new P9Message(110).Double(fid).Double(newFid).Word((ushort)names.Length);
        foreach (string name in names) message.Text(name);
        return Call(message);
    }

    public int Clunk(uint fid) => Call(new P9Message(120).Double(fid));

    public int Open(uint fid, uint flags = 0) => Call(new P9Message(12).Double(fid).Double(flags));

    public int Create(uint fid, string name, uint flags = 2, uint mode = 0x1a4, uint gid = 0)
        => Call(new P9Message(14).Double(fid).Text(name).Double(flags).Double(mode).Double(gid));

    public int MakeDirectory(uint fid, string name, uint mode = 0x1ed) => Call(new P9Message(72).Double(fid).Text(name).Double(mode).Double(0));

    public int Symlink(uint fid, string name, string target) => Call(new P9Message(16).Double(fid).Text(name).Text(target).Double(0));

    public int MakeNode(uint fid, string name, uint mode) => Call(new P9Message(18).Double(fid).Text(name).Double(mode).Double(1).Double(3).Double(0));

    public int Link(uint directory, uint fid, string name) => Call(new P9Message(70).Double(directory).Double(fid).Text(name));

    public int Rename(uint fid, uint directory, string name) => Call(new P9Message(20).Double(fid).Double(directory).Text(name));

    public int RenameAt(uint from, string name, uint to, string newName) => Call(new P9Message(74).Double(from).Text(name).Double(to).Text(newName));

    public int Unlink(uint fid, string name, uint flags = 0) => Call(new P9Message(76).Double(fid).Text(name).Double(flags));

    public int Remove(uint fid) => Call(new P9Message(122).Double(fid));

    public int Write(uint fid, ulong offset, byte[] data)
        => Call(new P9Message(118).Double(fid).Quad(offset).Double((uint)data.Length).Add(data));

    public int Read(uint fid, ulong offset, uint count, out byte[] data)
    {
        int error = Call(new P9Message(116).Double(fid).Quad(offset).Double(count), (int)count + 11);
        data = error == 0 ? Body[4..] : [];
        if (error == 0) Assert.Equal(data.Length, BinaryPrimitives.ReadInt32LittleEndian(Body));
        return error;
    }

    public int GetAttributes(uint fid) => Call(new P9Message(24).Double(fid).Quad(0x7ff));

    public int SetAttributes(uint fid, uint valid, uint mode = 0, ulong size = 0, ulong mtime = 0)
        => Call(new P9Message(26).Double(fid).Double(valid).Double(mode).Double(0).Double(0).Quad(size).Quad(0).Quad(0).Quad(mtime).Quad(0));

    public int ReadLink(uint fid, out string target)
    {
        int error = Call(new P9Message(22).Double(fid));
        target = error == 0 ? Encoding.UTF8.GetString(Body, 2, Body.Length - 2) : "";
        return error;
    }

    public int Lock(uint fid, byte type, ulong start, ulong length)
        => Call(new P9Message(52).Double(fid).Byte(type).Double(0).Quad(start).Quad(length).Double(42).Text("guest"));

    /// <summary>All names of a directory.</summary>
    public List<(string Name, ulong Path, byte Type)> List(uint fid, uint count)
    {
        List<(string, ulong, byte)> entries = [];
        for (ulong offset = 0; ;)
        {
            Assert.Equal(0, Call(new P9Message(40).Double(fid).Quad(offset).Double(count), (int)count + 11));
            if (Body.Length == 4) return entries;
            for (int at = 4; at < Body.Length;)
            {
                int length = BinaryPrimitives.ReadUInt16LittleEndian(Body.AsSpan(at + 22));
                offset = BinaryPrimitives.ReadUInt64LittleEndian(Body.AsSpan(at + 13));
                entries.Add((Encoding.UTF8.GetString(Body, at + 24, length), BinaryPrimitives.ReadUInt64LittleEndian(Body.AsSpan(at + 5)), Body[at + 21]));
                at += 24 + length;
            }
        }
    }

    /// <summary>A field of the last Rgetattr.</summary>
    public ulong Attribute(P9Attribute field) => field switch
    {
        P9Attribute.Path => BinaryPrimitives.ReadUInt64LittleEndian(Body.AsSpan(13)),
        P9Attribute.Mode => BinaryPrimitives.ReadUInt32LittleEndian(Body.AsSpan(21)),
        P9Attribute.Uid => BinaryPrimitives.ReadUInt32LittleEndian(Body.AsSpan(25)),
        P9Attribute.Links => BinaryPrimitives.ReadUInt64LittleEndian(Body.AsSpan(33)),
        P9Attribute.Size => BinaryPrimitives.ReadUInt64LittleEndian(Body.AsSpan(49)),
        _ => BinaryPrimitives.ReadUInt64LittleEndian(Body.AsSpan(89)),
    };
}
